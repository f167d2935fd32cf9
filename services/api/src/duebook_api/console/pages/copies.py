"""What a page does, as a request and as a command line: the console can do nothing that these cannot."""

import shlex
from collections.abc import Sequence
from typing import Any

import orjson

Copies = list[tuple[str, str]]


def curl(url: str, method: str = "GET", body: Any = None, *, needs_key: bool = True) -> str:
    """The request; the key is read from the environment, so that no copy contains one."""
    parts = ["curl", "-sS"]
    parts += ["-X", method] if method != "GET" and not (method == "POST" and body is not None) else []
    text = " ".join(shlex.quote(part) for part in parts)
    if needs_key:
        text += ' -H "Authorization: Bearer $DUEBOOK_API_KEY"'
    if body is not None:
        text += f" -H 'Content-Type: application/json' -d {shlex.quote(orjson.dumps(body, str).decode())}"
    return f"{text} {shlex.quote(url)}"


def command(*words: str) -> str:
    """A command line of `duebook`."""
    return " ".join(["duebook", *(shlex.quote(word) for word in words)])


def copies(request: str, command_words: Sequence[str] = ()) -> Copies:
    """For the macro `copy_menu`."""
    return [("as a request", request), *([("as a command line", command(*command_words))] if command_words else [])]
