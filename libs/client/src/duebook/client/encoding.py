"""Values of Python as JSON: times, durations, ids, models of pydantic and dataclasses."""

from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from duebook.client.errors import InvalidRequest
from duebook.durations import iso_duration


def plain(value: Any) -> Any:
    """The value in types that `json` knows; raises InvalidRequest for one that JSON does not have."""
    match value:
        case datetime() if value.tzinfo is None:
            raise InvalidRequest(f"{value.isoformat()} has no offset; give it a tzinfo, like datetime.now(UTC)")
        case datetime():
            return value.isoformat()
        case timedelta():
            return iso_duration(value)
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case set() | frozenset():
            return sorted(value)
        case _ if hasattr(value, "model_dump"):
            return value.model_dump(mode="json", by_alias=True)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {each.name: getattr(value, each.name) for each in fields(value)}
    raise InvalidRequest(f"a {type(value).__name__} is not JSON; give a model, a dataclass or plain values")


def text_of(value: Any) -> str:
    """The value as a parameter of a query."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return ",".join(map(text_of, value))
        case int() | float():
            return str(value)
        case _:
            return str(plain(value))
