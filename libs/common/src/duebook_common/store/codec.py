"""Events to JSON and back. Unknown fields are ignored and missing ones get their defaults: fields may be added.

Of a job's definition what equals its default is left out: a third remains, in the log and in the job's row. So no
default in `domain/definition.py` ever changes; `unit/store/test_codec.py` has them all.
"""

from dataclasses import fields, is_dataclass
from datetime import datetime
from math import isfinite
from typing import Any, get_args

import orjson
from pydantic import TypeAdapter

from duebook_common.domain.bulk.events import BulkEvent
from duebook_common.domain.definition import Backoff, Definition, FollowUp, Notify
from duebook_common.domain.job.events import JobChanged, JobCreated, JobEvent
from duebook_common.domain.key import KeyEvent
from duebook_common.domain.mail import MailEvent
from duebook_common.domain.queue.events import QueueEvent
from duebook_common.domain.run.events import RunEvent

Event = JobEvent | RunEvent | MailEvent | QueueEvent | KeyEvent | BulkEvent

_ADAPTERS: dict[str, TypeAdapter[Any]] = {cls.__name__: TypeAdapter(cls) for cls in get_args(Event)}

DEFINITION: TypeAdapter[Definition] = TypeAdapter(Definition)
BACKOFF: TypeAdapter[Backoff] = TypeAdapter(Backoff)
NOTIFY: TypeAdapter[Notify] = TypeAdapter(Notify)
FOLLOW_UPS: TypeAdapter[tuple[FollowUp, ...]] = TypeAdapter(tuple[FollowUp, ...])


def encode(event: Event) -> tuple[str, bytes]:
    """The event's type and its data as JSON."""
    name = type(event).__name__
    return name, _ADAPTERS[name].dump_json(event, exclude_defaults=isinstance(event, JobCreated | JobChanged))


def encode_definition(definition: Definition) -> bytes:
    """The definition as JSON, without what equals its default."""
    return DEFINITION.dump_json(definition, exclude_defaults=True)


def complete_definition(data: Any) -> dict[str, Any]:
    """The JSON object of a recorded definition, with every default."""
    complete: dict[str, Any] = DEFINITION.dump_python(DEFINITION.validate_python(data), mode="json")
    return complete


def decode(type_: str, data: Any) -> Event:
    """The event of this type; raises KeyError for an unknown type."""
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
