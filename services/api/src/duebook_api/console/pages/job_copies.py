"""What the form of a job would send, as a request and as a command line."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from duebook_api.console.pages.copies import Copies, command, copies, curl

_OPTIONS = {"scheduled_at": "--at"}
_OF_MEMBERS = {"dst": "--{}", "concurrency": "--concurrency-{}", "rate": "--rate-{}"}
_WITHOUT_OPTION = ("backoff", "metadata")


def job_copies(url: str, body: Mapping[str, Any], job_id: str | None, *, needs_key: bool) -> Copies:
    """A new job with these fields, or a change of the job to them."""
    request = curl(url, "PATCH" if job_id else "POST", dict(body), needs_key=needs_key)
    return [*copies(request), ("as a command line", _command(body, job_id))]


def _command(body: Mapping[str, Any], job_id: str | None) -> str:
    """With options; the fields are read as a file where one of them has none."""
    words = ["job", "update", job_id] if job_id else ["job", "create"]
    if any(_has_no_option(name, value, is_change=job_id is not None) for name, value in body.items()):
        return f"{command(*words, '-f', '-')} <<< {shlex.quote(_json(body))}"
    if job_id is None and "name" in body:
        words.append(body["name"])
    names = [name for name in body if job_id or name != "name"]
    return command(*words, *(word for name in names for word in _options(name, body[name])))


def _has_no_option(name: str, value: Any, *, is_change: bool) -> bool:
    """No option empties a field, so a change to nothing needs a file; a new job is empty where it names nothing."""
    if name == "notify":
        return not value["on"] or (is_change and not value["to"])
    if name == "catch_up" and value is not None:
        return "window" in value
    return (value is not None and name in _WITHOUT_OPTION) or (is_change and value in (None, []))


def _options(name: str, value: Any) -> Iterator[str]:
    match name:
        case _ if value is None:
            return
        case "payload":
            yield from ("--payload", _json(value))
        case "tags":
            yield from _each("--tag", value)
        case "notify":
            yield from (*_each("--notify", value["to"]), *_each("--notify-on", value["on"]))
        case "then":
            yield from _each("--then", map(_follow_up, value))
        case "catch_up":
            yield from ("--catch-up", value["policy"])
        case "pause_on_failure":
            yield "--pause-on-failure" if value else "--no-pause-on-failure"
        case _ if name in _OF_MEMBERS:
            for inner, each in value.items():
                yield from (_OF_MEMBERS[name].format(inner), str(each))
        case _:
            yield from (_OPTIONS.get(name, f"--{name.replace('_', '-')}"), _text(value))


def _each(option: str, values: Iterable[str]) -> Iterator[str]:
    return (word for value in values for word in (option, value))


def _follow_up(value: Mapping[str, Any]) -> str:
    payload = f" payload={value['payload']}" if value["payload"] else ""
    return f"{value['job']} on={','.join(value['on'])}{payload}"


def _text(value: Any) -> str:
    """A recurrence has a kind and a rule, like `cron 0 2 * * *`."""
    return " ".join(next(iter(value.items()))) if isinstance(value, dict) else str(value)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
