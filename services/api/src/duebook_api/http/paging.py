"""Lists: their query parameters, their pages, and opaque cursors that hold the order of the last item of a page."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple, TypeVar
from uuid import UUID
from zlib import crc32

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
)
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.http.fields import Matches, instant
from duebook_api.http.path_ids import UUID_TEXT
from duebook_api.http.problems import Fault, invalid, invalid_query, pointer
from duebook_api.http.replies import reply
from duebook_common.runtime.durations import Duration

Q = TypeVar("Q", bound=BaseModel)
T = TypeVar("T")


def _whole_number(value: Any) -> Any:
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 10):
        raise ValueError("this must be a whole number from 1 to 200")
    return value


_OFFSET_AFTER_SPACE = re.compile(r" (\d\d:\d\d)$", re.ASCII)


def _query_instant(value: Any) -> datetime:
    """An instant. A `+` that the client did not encode arrives as a space."""
    return instant(_OFFSET_AFTER_SPACE.sub(r"+\1", value) if isinstance(value, str) else value)


Text = Annotated[str, Field(max_length=200)]
Time = Annotated[datetime, PlainValidator(_query_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Id = Annotated[str, Matches(UUID_TEXT, "this must be an id (a UUID)")]


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


# Marks a parameter that may be given several times, or with several values between commas.
SEVERAL = BeforeValidator(_split)


class NoQuery(BaseModel):
    """No query parameters."""

    model_config = ConfigDict(extra="forbid")


class AsOf(NoQuery):
    """The parameter of everything that can be shown as it was at an earlier instant."""

    as_of: Time | None = None


def _at_most_a_minute(value: timedelta) -> timedelta:
    if value > timedelta(minutes=1):
        raise ValueError("a request waits for PT60S at most; ask again after it")
    return value


class WaitQuery(NoQuery):
    """How long the answer may wait for the end of the run."""

    wait: Annotated[Duration, AfterValidator(_at_most_a_minute)] | None = None


class PageQuery(NoQuery):
    """The parameters of every list."""

    limit: Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=500)] | None = None
    _path: str = PrivateAttr("")

    @property
    def list_tag(self) -> str:
        """Stands in each cursor, so that one of another list, or of another order of it, is refused."""
        return format(crc32(f"{self._path.lower()}{self.sort_name}".encode()), "x")

    @property
    def sort_name(self) -> str:
        """The order of a list that has several; empty for its usual one."""
        return ""


def query(request: Request, model: type[Q]) -> Q:
    """The query parameters as the model; raises Problem 422 for an unknown, repeated or wrong one."""
    return query_of(parameters(request), model, request.scope.get("path", ""))


def parameters(request: Request) -> list[tuple[str, str]]:
    """The query parameters, with ids in the place of the keys of jobs (`jobs/keys.py`)."""
    if not request.scope.get("query_string"):
        return []
    ids = getattr(request.state, "job_ids", {})
    return [(n, ids.get(value, value) if n == "job_id" else value) for n, value in request.query_params.multi_items()]


def query_of(items: Iterable[tuple[str, str]], model: type[Q], path: str) -> Q:
    """The parameters as the model, for the list at this path; raises Problem 422 like `query`."""
    parameters: dict[str, str] = {}
    for name, value in items:
        if name in parameters and _is_several(model, name):
            value = f"{parameters[name]},{value}"  # noqa: PLW2901 - as if it had come so
        elif name in parameters:
            raise invalid(Fault(pointer([name]), "this parameter is given twice"))
        if "\0" in value or "\0" in name:
            at = pointer([name.replace("\0", "\\u0000")])
            raise invalid(Fault(at, "a parameter must not contain the character NUL"))
        parameters[name] = value
    try:
        q = model.model_validate(parameters)
    except ValidationError as error:
        raise invalid_query(error) from None
    if isinstance(q, PageQuery):
        q._path = path  # noqa: SLF001 - it is set here and read by the class
    return q


def _is_several(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and SEVERAL in field.metadata


def page(
    rows: Sequence[T],
    q: PageQuery,
    view: Callable[[T], Any],
    order: Callable[[T], Sequence[object]],
    *,
    more: bool = False,
    searched_to: Sequence[object] | None = None,
    **totals: Any,
) -> Response:
    """The page as an answer: see `page_of`."""
    return reply(page_of(rows, q, view, order, more=more, searched_to=searched_to, **totals))


def page_of(
    rows: Sequence[T],
    q: PageQuery,
    view: Callable[[T], Any],
    order: Callable[[T], Sequence[object]],
    *,
    more: bool = False,
    searched_to: Sequence[object] | None = None,
    **totals: Any,
) -> dict[str, Any]:
    """The first `limit` rows, and a cursor if there are more, as `more` may say as well.

    `order` returns the values by which the list is sorted; `searched_to` are those of the last row that a
    search looked at, which goes on from there. `totals` are further members of the answer.
    """
    shown = rows[: q.limit]
    after = order(shown[-1]) if more or len(rows) > q.limit else searched_to
    next_cursor = None if after is None else encode_cursor(q, *after)
    return {"items": [view(row) for row in shown], **totals, "next_cursor": next_cursor}


def encode_cursor(q: PageQuery, *order: object) -> str:
    texts = (value.isoformat() if isinstance(value, datetime) else str(value) for value in (q.list_tag, *order))
    return urlsafe_b64encode("|".join(texts).encode()).rstrip(b"=").decode()


def decode_cursor(q: PageQuery, *parsers: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """The values that `encode_cursor` got; raises Problem 422 for a text that it never returned for this list."""
    if q.cursor is None:
        return None
    try:
        text = urlsafe_b64decode(q.cursor.encode("ascii") + b"=" * (-len(q.cursor) % 4)).decode().replace("\0", "")
        values = text.partition("|")[2].rsplit("|", len(parsers) - 1)  # only the first may have a `|`
        order = [parse(value) for parse, value in zip(parsers, values, strict=True)]
    except (ValueError, binascii.Error):
        raise _not_a_cursor() from None
    if encode_cursor(q, *order) != q.cursor:  # of another list, or e.g. the same time, written in another way
        raise _not_a_cursor()
    return tuple(order)


def _not_a_cursor() -> Exception:
    return invalid(Fault("/cursor", "this is not a cursor of this list"))


class SortOrder(NamedTuple):
    """The columns by which a list is sorted, parsers of their values in a cursor, and the direction."""

    columns: tuple[str, ...]
    parsers: tuple[Callable[[str], Any], ...]
    descending: bool = True

    @property
    def reversed(self) -> "SortOrder":
        return self._replace(descending=not self.descending)

    def of(self, row: Any) -> tuple[Any, ...]:
        return tuple(row[column] for column in self.columns)

    def decode(self, q: PageQuery) -> tuple[Any, ...]:
        """The values of the cursor; all None without one."""
        return decode_cursor(q, *self.parsers) or (None,) * len(self.columns)


def utc_time(text: str) -> datetime:
    """Parses a cursor's time."""
    time = datetime.fromisoformat(text)
    if time.utcoffset() != timedelta(0) or not 1970 <= time.year < 9999:
        raise ValueError(text)
    return time


JOBS = SortOrder(("created_at", "job_id"), (utc_time, UUID))
JOBS_BY_NAME = SortOrder(("name", "created_at", "job_id"), (str, utc_time, UUID))
# Runs of one pass are created at the same instant.
RUNS = SortOrder(("created_at", "nominal_at", "run_id"), (utc_time, utc_time, UUID))
RUNS_BY_DUE_TIME = SortOrder(("due_at", "run_id"), (utc_time, UUID))
RUNS_BY_END = SortOrder(("finished_at", "run_id"), (utc_time, UUID))


def integer_between(low: int, high: int) -> Callable[[str], int]:
    """A parser of a cursor's number, which must fit into its column."""

    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return parse
