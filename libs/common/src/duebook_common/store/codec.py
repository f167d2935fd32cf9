"""Events to JSON and back. Unknown fields are ignored and missing ones get their defaults: fields may be added.

Of a job's definition and of the first event of a run what equals its default is left out: a third remains, in the log
and in the rows. So no default in `domain/definition.py` and `domain/run/events.py` ever changes;
`unit/store/test_codec.py` has them all.
"""

from dataclasses import fields, is_dataclass
from datetime import datetime
from math import isfinite
from typing import Any, get_args
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from duebook_common.domain.archive import ArchivedContentsErased, ArchiveRewritten, LogArchived
from duebook_common.domain.bulk.events import BulkEvent
from duebook_common.domain.definition import Backoff, Definition, FollowUp, Notify
from duebook_common.domain.job.events import JobChanged, JobCreated, JobEvent
from duebook_common.domain.key import KeyEvent
from duebook_common.domain.mail import MailEvent
from duebook_common.domain.queue.events import QueueEvent
from duebook_common.domain.run.events import FirstEvent, RunEvent

ArchiveEvent = LogArchived | ArchivedContentsErased | ArchiveRewritten
Event = JobEvent | RunEvent | MailEvent | QueueEvent | KeyEvent | BulkEvent | ArchiveEvent

_ADAPTERS: dict[str, TypeAdapter[Any]] = {cls.__name__: TypeAdapter(cls) for cls in get_args(Event)}

_FIRST = {cls.__name__ for cls in get_args(FirstEvent)}
_DEFINING = {JobCreated.__name__, JobChanged.__name__}

DEFINITION: TypeAdapter[Definition] = TypeAdapter(Definition)
BACKOFF: TypeAdapter[Backoff] = TypeAdapter(Backoff)
NOTIFY: TypeAdapter[Notify] = TypeAdapter(Notify)
FOLLOW_UPS: TypeAdapter[tuple[FollowUp, ...]] = TypeAdapter(tuple[FollowUp, ...])


def encode(event: Event) -> tuple[str, bytes]:
    """The event's type and its data as JSON."""
    name = type(event).__name__
    adapter = _ADAPTERS[name]
    if isinstance(event, FirstEvent):
        known = {"job_id", "due_at"} if event.due_at == event.nominal_at else {"job_id"}
        return name, adapter.dump_json(event, exclude_defaults=True, exclude=known)
    return name, adapter.dump_json(event, exclude_defaults=name in _DEFINING)


def encode_backoff(backoff: Backoff) -> bytes:
    """The backoff as JSON, without what equals its default."""
    return BACKOFF.dump_json(backoff, exclude_defaults=True)


def encode_notify(notify: Notify) -> bytes:
    """The outcomes and recipients of mails as JSON, without what equals its default."""
    return NOTIFY.dump_json(notify, exclude_defaults=True)


def encode_definition(definition: Definition) -> bytes:
    """The definition as JSON, without what equals its default."""
    return DEFINITION.dump_json(definition, exclude_defaults=True)


def complete_definition(data: Any) -> dict[str, Any]:
    """The JSON object of a recorded definition, with every default."""
    complete: dict[str, Any] = DEFINITION.dump_python(DEFINITION.validate_python(data), mode="json")
    return complete


def is_whole(type_: str) -> bool:
    """Whether the log leaves out nothing of the events of this type."""
    return type_ not in _FIRST and type_ not in _DEFINING


def complete(type_: str, data: dict[str, Any], job_id: UUID | None) -> dict[str, Any]:
    """The JSON object of a recorded event with every field that the log leaves out; `job_id` is its job."""
    if type_ in _DEFINING:
        return data | {"definition": complete_definition(data["definition"])}
    if type_ not in _FIRST:
        return data
    whole: dict[str, Any] = _ADAPTERS[type_].dump_python(decode(type_, data, job_id), mode="json")
    return data | whole


def complete_light(type_: str, data: dict[str, Any], job_id: UUID | None) -> dict[str, Any]:
    """The same of data that was read without its payload: the first event of a run with all other fields."""
    if type_ not in _FIRST:
        return data
    return {name: value for name, value in complete(type_, data, job_id).items() if name != "payload"}


def decode(type_: str, data: Any, job_id: UUID | None) -> Event:
    """The event of this type and job; raises KeyError for an unknown type."""
    if type_ in _FIRST:
        data = {"job_id": job_id, "due_at": data["nominal_at"], **data}
    event: Event = _ADAPTERS[type_].validate_python(data)
    return event


def dumps(value: Any) -> bytes:
    """Any JSON value as bytes; raises TypeError for a value that JSON cannot hold."""
    return orjson.dumps(value)


def storable(value: Any) -> bytes:
    """Any JSON value as bytes that PostgreSQL can store as jsonb; raises TypeError or ValueError if it cannot."""
    data = orjson.dumps(value)
    if b"\\u0000" in data and _contains_nul(orjson.loads(data)):
        raise ValueError("a NUL character")
    if b"null" in data and _contains_no_number(value):  # orjson writes null for it
        raise ValueError("NaN or infinity")
    return data


def _contains_no_number(value: Any) -> bool:
    match value:
        case float():
            return not isfinite(value)
        case list() | tuple():
            return any(map(_contains_no_number, value))
        case dict():
            return any(map(_contains_no_number, value.values()))
        case _:
            return is_dataclass(value) and any(
                map(_contains_no_number, (getattr(value, f.name) for f in fields(value)))
            )


def _contains_nul(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case list():
            return any(map(_contains_nul, value))
        case dict():
            return any(_contains_nul(key) or _contains_nul(item) for key, item in value.items())
        case _:
            return False


def rfc3339(time: datetime) -> str:
    """A UTC time in RFC 3339, as in the API's JSON: with `Z`."""
    return time.isoformat().replace("+00:00", "Z")
