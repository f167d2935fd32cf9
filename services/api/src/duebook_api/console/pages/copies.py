"""What a page does, as a request and as a command line: the console can do nothing that these cannot."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

Copies = list[tuple[str, str]]
_NAMED = {"job_id": "--job", "run_id": "--run", "q": "--text", "recipient": "--to", "from_": "--from"}
_OF_A_PAGE = {"limit", "cursor", "before"}


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


def options(filters: Mapping[str, Any]) -> list[str]:
    """A filter as options of `duebook`; True is an option without a value, several values repeat theirs."""
    words: list[str] = []
    for name, value in filters.items():
        option = _NAMED.get(name, f"--{name.replace('_', '-')}")
        if value is True:
            words.append(option)
        elif value and name not in _OF_A_PAGE:
            values = value if isinstance(value, list | tuple) else [value]
            words += [word for each in values for word in (option, value_text(each))]
    return words


def value_text(value: Any) -> str:
    """The value of a filter as a URL or a command line has it."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
