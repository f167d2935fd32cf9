"""The events of the log, from the dataclasses that are stored, and the outcomes that the relay publishes."""

import inspect
import re
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from docs.pages.markdown import code, codes, doc, page, table
from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.topology import EVENTS
from duebook_common.store.codec import Event
from duebook_scheduler.outcome_messages import OUTCOMES

_INTRODUCTION = """
Everything that happens is an event in one append-only log. Read it with `GET /api/events`, follow it with
`GET /api/events/stream` or `duebook events tail`, and read one job's or one run's part of it with
`GET /api/job/{id}/events` and `GET /api/run/{id}/events`.

| field of an event | meaning |
| --- | --- |
| `position` | Its place in the log: opaque, in the order of delivery. Read on `after` the last one that you have dealt with. |
| `stream`, `version` | `job-{id}`, `run-{id}`, `mail-{run_id}`, `key-{id}`, `queue-{name}`, `installation`, `bulk-{id}`, `archives` or `archive-{number}`, and the number within it, from 1 without gaps. |
| `type`, `data` | One of the types below, and its fields. |
| `meta` | `actor`: the API key, scheduler, executor or notifier that caused it. `traceparent`: its trace. `tzdata`: the time zone rules. `bulk`: the bulk operation of which it is a part. |
| `recorded_at` | When it was appended. It never runs backwards within a stream. |

New fields may be added; a type is never renamed. Ignore what you do not know.
"""
_STREAMS = {
    "job": "Jobs: `job-{id}`",
    "run": "Runs: `run-{id}`",
    "mail": "Mails: `mail-{run_id}`",
    "key": "Keys: `key-{id}`",
    "queue": "Queues: `queue-{name}`, and `installation`",
    "bulk": "Bulk operations: `bulk-{id}`",
    "archive": "Archives: `archives`, and `archive-{number}`",
}
_COMMENT = re.compile(r"^    (\w+): [^#\n]*  # (.+)$", re.MULTILINE)
_TYPES: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    datetime: "time",
    UUID: "UUID",
    Any: "any JSON",
}


def _kinds(stream: str) -> list[type]:
    return [kind for kind in get_args(Event) if _stream(kind) == stream]


def _stream(kind: type) -> str:
    return next(name for name in _STREAMS if name in kind.__module__.split("."))


def _sections() -> Iterator[str]:
    for stream, title in _STREAMS.items():
        kinds = _kinds(stream)
        yield f"## {title}"
        yield table(("event", "meaning", "fields"), map(_event_row, [*kinds, *_shared(kinds)]))
        yield table(("type", "fields"), _types(kinds))


def _shared(kinds: Iterable[type]) -> list[type]:
    """The classes from which several events have their fields."""
    found = (base for kind in kinds for base in kind.__mro__[1:] if is_dataclass(base))
    return sorted(dict.fromkeys(found), key=lambda base: len(base.__mro__))


def _event_row(kind: type) -> tuple[str, str, str]:
    notes, base = _notes(kind), kind.__mro__[1]
    own = [field.name for field in fields(kind) if field.name in kind.__annotations__]
    texts = [f"{code(name)} ({notes[name]})" if name in notes else code(name) for name in own]
    inherited = [f"those of `{base.__name__}`"] if is_dataclass(base) else []
    return code(kind.__name__), doc(kind), ", ".join(inherited + texts)


def _notes(kind: type) -> dict[str, str]:
    """The comments behind the fields."""
    return dict(_COMMENT.findall(inspect.getsource(kind)))


def _types(kinds: Iterable[type]) -> Iterator[tuple[str, str]]:
    """The fields by their type; where events differ, the widest."""
    hints = [hint for kind in kinds for hint in typing.get_type_hints(kind).items()]
    widest = dict(sorted(((name, _json_type(hint)) for name, hint in hints), key=lambda pair: len(pair[1])))
    names: dict[str, list[str]] = {}
    for name, type_ in sorted(widest.items()):
        names.setdefault(type_, []).append(name)
    return ((type_, codes(of_type)) for type_, of_type in sorted(names.items()))


def _json_type(hint: Any) -> str:
    if get_origin(hint) in {Union, types.UnionType}:
        *rest, last = (part for part in get_args(hint) if part is not type(None))
        return " or ".join(map(_json_type, [*rest, last])) + " or null" * (type(None) in get_args(hint))
    if get_origin(hint) is tuple:
        return f"array of {_json_type(get_args(hint)[0])}"
    if get_origin(hint) is Literal:
        return ", ".join(map(code, get_args(hint)))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(code(str(member.value)) for member in hint)
    return _TYPES.get(hint) or "object"


def _outcomes() -> str:
    names = sorted({*OUTCOMES.values(), "missed"})
    return f"""
## Outcomes on RabbitMQ

The relay publishes the outcomes of runs to the topic exchange `{EVENTS}`, at least once and in the order of the log.
Bind a queue of your own to it; a repeat has the same message id.
Routing keys: {codes(f"run.{name}" for name in names)}.

{table(("field", "type"), ((code(name), _json_type(hint)) for name, hint in _message_fields()))}

{_paragraphs(OutcomeMessage)}
"""


def _message_fields() -> Iterator[tuple[str, Any]]:
    hints = typing.get_type_hints(OutcomeMessage)
    return ((field.name, hints[field.name]) for field in fields(OutcomeMessage))


def _paragraphs(kind: type) -> str:
    """The docstring behind its first sentence, which says what the class is in the code."""
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[2]


def render() -> str:
    return page("Events", _INTRODUCTION, *_sections(), _outcomes())
