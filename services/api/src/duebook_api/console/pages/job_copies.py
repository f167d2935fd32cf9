"""What the form of a job would send, as a request and as a command line."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from duebook_api.console.pages.copies import Copies, command, copies, curl

_OPTIONS = {"scheduled_at": "--at"}
_GROUPS = ("concurrency", "rate")


def job_copies(url: str, body: Mapping[str, Any], job_id: str | None, *, needs_key: bool) -> Copies:
    """A new job with these fields, or a change of the job to them."""
    request = curl(url, "PATCH" if job_id else "POST", dict(body), needs_key=needs_key)
    return [*copies(request), ("as a command line", _command(body, job_id))]


def _command(body: Mapping[str, Any], job_id: str | None) -> str:
    """With options; a field that is emptied has none, so that then the fields are read as a file."""
    words = ["job", "update", job_id] if job_id else ["job", "create"]
    if job_id and None in body.values():
        return f"{command(*words, '-f', '-')} <<< {shlex.quote(_json(body))}"
    if job_id is None and "name" in body:
        words.append(body["name"])
    names = [name for name in body if job_id or name != "name"]
    return command(*words, *(word for name in names for word in _options(name, body[name])))


def _options(name: str, value: Any) -> Iterator[str]:
    if value is None:
        return
    if name == "payload":
        yield from ("--payload", _json(value))
    elif name == "tags":
        for tag in value:
            yield from ("--tag", tag)
    elif name in _GROUPS:
        for inner, each in value.items():
            yield from (f"--{name}-{inner}", str(each))
    else:
        yield from (_OPTIONS.get(name, f"--{name.replace('_', '-')}"), _text(value))


def _text(value: Any) -> str:
    """A recurrence has a kind and a rule, like `cron 0 2 * * *`."""
    return " ".join(next(iter(value.items()))) if isinstance(value, dict) else str(value)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
