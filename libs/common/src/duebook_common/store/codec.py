"""Events to JSON and back. Unknown fields are ignored and missing ones defaulted, so old and new code can meet."""

from datetime import datetime
from typing import Any, get_args

import orjson
from pydantic import TypeAdapter

from duebook_common.domain.definition import Backoff, Definition, Notify
from duebook_common.domain.job.events import JobEvent
from duebook_common.domain.mail import MailEvent
from duebook_common.domain.run.events import RunEvent

Event = JobEvent | RunEvent | MailEvent

_ADAPTERS: dict[str, TypeAdapter[Any]] = {cls.__name__: TypeAdapter(cls) for cls in get_args(Event)}

DEFINITION: TypeAdapter[Definition] = TypeAdapter(Definition)
BACKOFF: TypeAdapter[Backoff] = TypeAdapter(Backoff)
NOTIFY: TypeAdapter[Notify] = TypeAdapter(Notify)


def encode(event: Event) -> tuple[str, bytes]:
    """The event's type and its data as JSON."""
    name = type(event).__name__
    return name, _ADAPTERS[name].dump_json(event)


def decode(type_: str, data: Any) -> Event:
    """The event of that type; raises KeyError for a type this version does not know."""
    event: Event = _ADAPTERS[type_].validate_python(data)
    return event


def dumps(value: Any) -> bytes:
    """Any JSON value as bytes; raises TypeError for what JSON cannot hold."""
    return orjson.dumps(value)


def storable(value: Any) -> bytes:
    """Any JSON value as bytes that PostgreSQL can store; raises TypeError or ValueError for anything else."""
    data = orjson.dumps(value)
    if b"\\u0000" in data and _holds_nul(orjson.loads(data)):
        raise ValueError("a NUL character")
    return data


def _holds_nul(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case list():
            return any(map(_holds_nul, value))
        case dict():
            return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
        case _:
            return False


def rfc3339(time: datetime) -> str:
    """A time as the API answers it: UTC with `Z`."""
    return time.isoformat().replace("+00:00", "Z")
