"""The environment of a client. What it leaves out comes from the file that `make up` writes in its directory."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from duebook.client.connection import is_loopback
from duebook.client.errors import InvalidRequest

FILE = Path(".duebook/env")
DEFAULT_URL = "http://127.0.0.1:8000"


def address(url: str | None, key: str | None) -> tuple[str, str | None]:
    """The URL and the key that are given. Without a URL both come from the environment.

    A key of the environment is never sent to another URL than that of the environment. Raises InvalidRequest if the
    file of `DUEBOOK_API_KEY_FILE` cannot be read.
    """
    if url is not None:
        return url, key
    variables = environment()
    return variables.get("DUEBOOK_URL") or DEFAULT_URL, key or key_of(variables)


def key_of(variables: Mapping[str, str]) -> str | None:
    """The key that the variables name, if there is one; raises InvalidRequest."""
    if path := variables.get("DUEBOOK_API_KEY_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise InvalidRequest(f"cannot read the file of DUEBOOK_API_KEY_FILE: {error}") from None
    return variables.get("DUEBOOK_API_KEY") or None


def environment() -> Mapping[str, str]:
    """The variables of this process, and those of the file that are set neither directly nor as `NAME_FILE`.

    If DUEBOOK_URL names another server than the file, nothing of the file counts: neither key nor servers belong to it.
    """
    own, file = os.environ, _file()
    if own.get("DUEBOOK_URL") and own["DUEBOOK_URL"] != file.get("DUEBOOK_URL"):
        return {**own}
    missing = {name: value for name, value in file.items() if not own.get(name) and not own.get(f"{name}_FILE")}
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
