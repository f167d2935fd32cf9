"""Events to JSON and back. Unknown fields are ignored and missing ones get their defaults: fields may be added.

Of a job's definition, of the first event of a run, and of the start and success of an attempt, what equals its default
is left out: a third remains, in the log and in the rows. So no default in `domain/definition.py` and
`domain/run/events.py`, and not `_LEASE` here, ever changes; `unit/store/test_codec.py` has them all.
"""

from datetime import datetime, timedelta
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
from duebook_common.domain.run.events import (
    AttemptStarted,
    AttemptSucceeded,
    FirstEvent,
    RunEvent,
    RunSkipped,
)

ArchiveEvent = LogArchived | ArchivedContentsErased | ArchiveRewritten
Event = JobEvent | RunEvent | MailEvent | QueueEvent | KeyEvent | BulkEvent | ArchiveEvent

_ADAPTERS: dict[str, TypeAdapter[Any]] = {cls.__name__: TypeAdapter(cls) for cls in get_args(Event)}

_LEASE = timedelta(seconds=30)
_FIRST = {cls.__name__ for cls in get_args(FirstEvent)}
_DEFINING = {JobCreated.__name__, JobChanged.__name__}
_WAKING = {"RunDispatched", "RunBuffered", "AttemptStarted"}
_SHORTENED = _FIRST | _DEFINING | {"AttemptStarted", "AttemptSucceeded"}

DEFINITION: TypeAdapter[Definition] = TypeAdapter(Definition)
BACKOFF: TypeAdapter[Backoff] = TypeAdapter(Backoff)
NOTIFY: TypeAdapter[Notify] = TypeAdapter(Notify)
FOLLOW_UPS: TypeAdapter[tuple[FollowUp, ...]] = TypeAdapter(tuple[FollowUp, ...])


def encode(event: Event, *, at_is_final: bool = True) -> tuple[str, bytes]:
    """The event's type and its data as JSON. `at_is_final`: the database does not replace the event's time."""
    name = type(event).__name__
    implied = _implied(event) if at_is_final else None
    return name, _ADAPTERS[name].dump_json(event, exclude_defaults=not is_whole(name), exclude=implied)


def _implied(event: Event) -> set[str] | None:
    """The fields whose values follow from others, as `_with_implied` has it."""
    if isinstance(event, FirstEvent):
        known = {"job_id", "due_at"} if event.due_at == event.nominal_at else {"job_id"}
        return known if isinstance(event, RunSkipped) or event.wake_at != event.at + _LEASE else known | {"wake_at"}
    if isinstance(event, AttemptStarted):
        return {"wake_at"} if event.wake_at == event.at + _LEASE else None
    if isinstance(event, JobCreated):
        return {"next_at"} if event.next_at == event.definition.scheduled_at else None
    return None


def _with_implied(type_: str, data: dict[str, Any], job_id: UUID | None) -> dict[str, Any]:
    """The data with what `_implied` has left out."""
    if type_ in _FIRST:
        data = {"job_id": job_id, "due_at": data["nominal_at"], **data}
    if type_ in _WAKING and "wake_at" not in data:
        return {**data, "wake_at": rfc3339(datetime.fromisoformat(data["at"]) + _LEASE)}
    if type_ == JobCreated.__name__ and "next_at" not in data:
        return {**data, "next_at": data["definition"]["scheduled_at"]}
    return data


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
    return type_ not in _SHORTENED


def complete(type_: str, data: dict[str, Any], job_id: UUID | None) -> dict[str, Any]:
    """The JSON object of a recorded event with every field that the log leaves out; `job_id` is its job."""
    data = _with_implied(type_, data, job_id)
    if type_ in _DEFINING:
        return data | {"definition": complete_definition(data["definition"])}
    if type_ in _FIRST:
        whole: dict[str, Any] = _ADAPTERS[type_].dump_python(decode(type_, data, job_id), mode="json")
        return data | whole
    return {"result": None, **data} if type_ == AttemptSucceeded.__name__ else data


def complete_light(type_: str, data: dict[str, Any], job_id: UUID | None) -> dict[str, Any]:
    """The same of data that was read without its payload, maybe without its result, and without default definitions."""
    if type_ in _FIRST:
        return {name: value for name, value in complete(type_, data, job_id).items() if name != "payload"}
    return _with_implied(type_, data, job_id)


def decode(type_: str, data: Any, job_id: UUID | None) -> Event:
    """The event of this type and job; raises KeyError for an unknown type."""
    event: Event = _ADAPTERS[type_].validate_python(_with_implied(type_, data, job_id))
    return event


def dumps(value: Any) -> bytes:
    """Any JSON value as bytes; raises TypeError for a value that JSON cannot hold."""
    return orjson.dumps(value)


def rfc3339(time: datetime) -> str:
    """A UTC time in RFC 3339, as in the API's JSON: with `Z`."""
    return time.isoformat().replace("+00:00", "Z")
