"""Lists: their query parameters, strict, and opaque cursors that name the last item seen."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.http.fields import instant
from duebook_api.http.path_ids import UUID_TEXT
from duebook_api.http.problems import Fault, invalid, invalid_as
from duebook_api.http.replies import reply

Q = TypeVar("Q", bound=BaseModel)
T = TypeVar("T")


def _whole(value: Any) -> Any:
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 10):
        raise ValueError("this must be a whole number from 1 to 200")
    return value


_SPACED = re.compile(r" (\d\d:\d\d)$", re.ASCII)


def _asked(value: Any) -> datetime:
    """An instant; in a query a `+` that nobody encoded arrives as a space."""
    return instant(_SPACED.sub(r"+\1", value) if isinstance(value, str) else value)


Text = Annotated[str, Field(max_length=200)]
Time = Annotated[datetime, PlainValidator(_asked), WithJsonSchema({"type": "string", "format": "date-time"})]
Id = Annotated[str, Field(pattern=UUID_TEXT)]


class NoQuery(BaseModel):
    """No query parameter at all."""

    model_config = ConfigDict(extra="forbid")


class AsOf(NoQuery):
    """What is asked for as it stood then."""

    as_of: Time | None = None


class PageQuery(NoQuery):
    """What every list takes."""

    limit: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=500)] | None = None


def query(request: Request, model: type[Q]) -> Q:
    """The query parameters as the model; raises Problem 422 for an unknown, repeated or wrong one."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise invalid(Fault(f"/{name}", "this parameter is given twice"))
        if "\0" in value or "\0" in name:
            raise invalid(Fault("", "the character NUL has no place in a query"))
        given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid_as(error) from None


def encode(*parts: object) -> str:
    texts = (part.isoformat() if isinstance(part, datetime) else str(part) for part in parts)
    return urlsafe_b64encode("|".join(texts).encode()).rstrip(b"=").decode()


def decode(cursor: str | None, *kinds: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """The parts that `encode` put in; raises Problem 422 for a cursor that it never made."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode().replace("\0", "")
        parts = text.split("|")
        values = tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
    except (ValueError, binascii.Error):
        raise invalid(Fault("/cursor", "this is not a cursor of this list")) from None
    if encode(*values) != cursor:  # another spelling of the same parts was not made here either
        raise invalid(Fault("/cursor", "this is not a cursor of this list"))
    return values


def moment(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.utcoffset() != timedelta(0) or not 1970 <= time.year < 9999:
        raise ValueError("a cursor's time is one that we wrote")
    return time


def after(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    """Where a list in order of creation goes on."""
    place = decode(cursor, moment, UUID)
    return (None, None) if place is None else (place[0], place[1])


def bounded(low: int, high: int) -> Callable[[str], int]:
    """A cursor's number, which must fit into its column."""

    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError("a cursor's number fits into its column")
        return number

    return parse


def listed(
    rows: Sequence[T], limit: int, view: Callable[[T], Any], place: Callable[[T], Sequence[object]], **more: Any
) -> Response:
    """One page; `rows` holds more than `limit` where there is a next one, `more` is told of the whole list."""
    shown = rows[:limit]
    following = encode(*place(shown[-1])) if len(rows) > limit else None
    return reply({"items": [view(row) for row in shown], **more, "next_cursor": following})


def by_creation(key: str) -> Callable[[Any], Sequence[object]]:
    """The place of a row in a list in order of creation."""
    return lambda row: (row["created_at"], row[key])
