"""Types of request fields (times, durations, names, …), each with its own message for a wrong value.

They are strict: unknown fields, numbers in strings and times without an offset are refused.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from duebook_api.http.path_ids import JOB_KEY, JOB_REFERENCE
from duebook_api.http.zones import zone
from duebook_common.domain.addresses import mailable
from duebook_common.runtime.durations import Duration
from duebook_common.runtime.quoting import quoted

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)  # a year before the end of `datetime`, so that no UTC offset passes it
_MOST_FIELDS = 100
_BOUNDS = "a time must lie between the years 1970 and 9998"


def instant(value: Any) -> datetime:
    """The instant in UTC that an RFC 3339 text names; raises ValueError for any other value."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError(
            f"{quoted(value)} is not a time; write it like 2026-11-24T02:00:00+01:00 (RFC 3339, with an offset)"
        )
    try:
        time = datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError(f"{quoted(value)} does not exist; check its date, hour and offset") from None
    try:
        time = time.astimezone(UTC)
    except OverflowError:
        raise ValueError(_BOUNDS) from None
    if not _EARLIEST <= time < _LATEST:
        raise ValueError(_BOUNDS)
    return time


def _address(text: str) -> str:
    mailable(text)
    return text


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("this must be longer than PT0S")
    return value


class Matches:
    """A pattern, and what it demands in words: clients do not read regular expressions."""

    def __init__(self, pattern: str, message: str) -> None:
        self._pattern, self._message = pattern, message
        self._regex = re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {"pattern": self._pattern}

    def _check(self, text: str) -> str:
        if not self._regex.search(text):
            raise ValueError(self._message)
        return text


def one_of(*known: str) -> BeforeValidator:
    """Refuses any other value with a message that lists the known ones; a later version may know more."""

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
Queue = Annotated[
    str,
    Matches(
        r"^[a-z0-9][a-z0-9_.-]{0,62}$",
        "a queue's name has 1 to 63 characters: a to z, 0 to 9, and after the first also _ . -",
    ),
]
JobKey = Annotated[
    str,
    Matches(
        f"^{JOB_KEY}$",
        "a key has 1 to 200 characters: letters a to z in both cases, 0 to 9, and after the first also . _ - : @ + ~",
    ),
]
JobId = Annotated[str, Matches(JOB_REFERENCE, "this must be an id (a UUID), or `key:` and the key of a job")]
Reason = Annotated[str, Field(min_length=1, max_length=2_000), Matches(r"\S", "a reason must not be blank")]
Zone = Annotated[str, AfterValidator(zone)]
Address = Annotated[str, AfterValidator(_address), WithJsonSchema({"type": "string", "format": "email"})]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _first_unknown_fields(cls, value: Any) -> Any:
        """A body may have a million unknown fields: beyond a hundred fields only the first ones are refused by name."""
        if not isinstance(value, dict) or len(value) <= _MOST_FIELDS:
            return value
        known = dict.fromkeys(field.alias or name for name, field in cls.model_fields.items())
        unknown = islice((name for name in value if name not in known), _MOST_FIELDS)
        return {name: value[name] for name in (*filter(value.__contains__, known), *unknown)}


class ReadAs:
    """Reads a field in the form that clients send, and converts it to the field's own type.

    By default the form is a model with the fields of that type.
    """

    def __init__(self, form: Any, convert: Callable[[Any], Any] | None = None) -> None:
        self._form, self._convert = form, convert

    def __get_pydantic_core_schema__(self, own_type: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        convert = self._convert or (lambda body: own_type(**vars(body)))
        return core_schema.no_info_after_validator_function(convert, handler.generate_schema(self._form))
