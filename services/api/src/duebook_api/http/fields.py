"""The fields that requests are made of: times, durations, names, each with its own words for what is wrong.

Strict: unknown fields, numbers in strings and times without an offset are refused.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from duebook_common.domain.definition import looks_like_address
from duebook_common.runtime.durations import Duration
from duebook_common.runtime.quoting import quoted

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)  # short of the calendar's end, so that a zone's offset cannot pass it


def instant(value: Any) -> datetime:
    """An RFC 3339 time with its offset, as UTC."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError(
            f"{quoted(value)} is no time; write it like 2026-11-24T02:00:00+01:00 (RFC 3339, with an offset)"
        )
    try:
        time = datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError(f"{quoted(value)} is on no calendar or clock; look at its date, hour and offset") from None
    try:
        time = time.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time lies between the years 1970 and 9998") from None
    if not _EARLIEST <= time < _LATEST:
        raise ValueError("a time lies between the years 1970 and 9998")
    return time


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


def _zone(name: str) -> str:
    if name not in _zones():
        meant = _meant().get(name.lower())
        remedy = f"did you mean {meant}?" if meant else "use an IANA name like Europe/Berlin"
        raise ValueError(f"{quoted(name)} is no time zone; {remedy}")
    return name


@cache
def _meant() -> dict[str, str]:
    """Zones by their names, and by their cities', in small letters."""
    names = sorted(_zones(), key=lambda name: (not name.startswith(("Europe/", "America/", "Asia/")), name))
    return {name.rpartition("/")[2].lower(): name for name in reversed(names)} | {n.lower(): n for n in names}


def _address(text: str) -> str:
    if not looks_like_address(text) or not text.isprintable():
        raise ValueError("this is not an e-mail address")
    return text


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("this must be longer than PT0S")
    return value


def one_of(*known: str) -> BeforeValidator:
    """Refuse what is not in the list, later versions' values included, by naming what this one knows."""

    def check(value: Any) -> Any:
        if value not in known if isinstance(value, str) else True:
            raise ValueError(f"{quoted(value)} is unknown; this version knows {', '.join(known)}")
        return value

    return BeforeValidator(check)


Instant = Annotated[datetime, PlainValidator(instant), WithJsonSchema({"type": "string", "format": "date-time"})]
# May be left out; an explicit null is refused.
OmittableInstant = Annotated[
    datetime | None, PlainValidator(instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
Positive = Annotated[Duration, AfterValidator(_positive), WithJsonSchema({"type": "string", "format": "duration"})]
MaxRuns = Annotated[int, Field(ge=1, le=1_000_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Task = Annotated[str, Field(min_length=1, max_length=200)]
Tag = Annotated[str, Field(min_length=1, max_length=200)]
Queue = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Zone = Annotated[str, AfterValidator(_zone)]
Address = Annotated[str, AfterValidator(_address), WithJsonSchema({"type": "string", "format": "email"})]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class ReadAs:
    """Reads a field in the form that clients send, and converts it to the field's own type.

    By default the form is a model with the fields of that type.
    """

    def __init__(self, form: Any, convert: Callable[[Any], Any] | None = None) -> None:
        self._form, self._convert = form, convert

    def __get_pydantic_core_schema__(self, own_type: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        convert = self._convert or (lambda body: own_type(**vars(body)))
        return core_schema.no_info_after_validator_function(convert, handler.generate_schema(self._form))
