"""The environment of a command. What it leaves out comes from the file that `make up` writes in its directory."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

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
    return {name: _unquoted(value) for name, _, value in pairs}


def _unquoted(value: str) -> str:
    try:
        return "".join(shlex.split(value))
    except ValueError:  # a quotation mark that nothing closes
        return value
