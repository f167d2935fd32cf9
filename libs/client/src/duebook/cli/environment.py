"""The environment of a command. What it leaves out comes from the file that `make up` writes in its directory."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from duebook.connection import is_loopback

FILE = Path(".duebook/env")


def environment() -> Mapping[str, str]:
    """The variables of this process, and those of the file that are set neither directly nor as `NAME_FILE`."""
    own = os.environ
    missing = {name: value for name, value in _file().items() if not own.get(name) and not own.get(f"{name}_FILE")}
    return {**own, **missing}


def _file() -> dict[str, str]:
    try:
        text = FILE.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if line.startswith("DUEBOOK_"))
    found = {name: _unquoted(value) for name, _, value in pairs}
    if not _is_local(found.get("DUEBOOK_URL", "")):
        found.pop("DUEBOOK_URL", None)  # a stack runs here: a directory from elsewhere must not get the user's key sent
    return found


def _is_local(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _unquoted(value: str) -> str:
    try:
        return "".join(shlex.split(value))
    except ValueError:  # a quotation mark that nothing closes
        return value
