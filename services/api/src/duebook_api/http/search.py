"""Searches: filters without an index look at the next rows of a list, so many for one page, and a cursor goes on.

So a page costs the same whatever the filter and however many rows there are. It may have fewer items than its limit,
or none, before the list ends.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from duebook_api.http.filters import (
    Condition,
    Listing,
    Statement,
    columns_in,
    is_cut,
    newest_first_of_union,
    order_and_limit,
    where,
)
from duebook_api.http.paging import PageQuery, SortOrder
from duebook_common.store.database import Pool, acquire, snapshot
from duebook_common.store.predicates import containing

SEARCHED_ROWS = 50_000  # for one page: some twenty milliseconds


class ListedRows(NamedTuple):
    """The rows of a page, and the order of the last row that its search looked at."""

    rows: list[Any]
    searched_to: Sequence[object] | None

    @property
    def more(self) -> bool:
        return is_cut(self.rows)


def listing(
    table: str, order: SortOrder, q: PageQuery, alternatives: Sequence[Sequence[Condition]], residual: list[Condition]
) -> Listing:
    """The rows that meet one of the alternatives, each by its index, and the `residual` conditions, by a search."""
    if not (used := [condition for condition in residual if None not in condition]):
        return Listing(newest_first_of_union(f"SELECT * FROM {table}", order, q, *alternatives), order)  # noqa: S608
    columns = ", ".join(order.columns)
    rows = newest_first_of_union(f"SELECT * FROM {table}", order, q, *alternatives, most=SEARCHED_ROWS)  # noqa: S608
    keys = newest_first_of_union(f"SELECT {columns} FROM {table}", order, q, *alternatives, most=SEARCHED_ROWS)  # noqa: S608
    return Listing(_matching(rows, order, q, used), order, _last(keys, order))


def _matching(candidates: Statement, order: SortOrder, q: PageQuery, residual: Sequence[Condition]) -> Statement:
    """The candidates come in this order, so that the search ends with the last row of the page."""
    text, arguments = candidates
    condition, more = where(*residual, first=len(arguments) + 1)
    matching = f"SELECT * FROM ({text}) AS candidates WHERE {condition}"  # noqa: S608
    return f"{matching} {order_and_limit(order, q.limit + 1)}", arguments + more


def _last(candidates: Statement, order: SortOrder) -> Statement:
    """The last candidate, if there may be further ones."""
    text, arguments = candidates
    ordered = f"SELECT * FROM ({text}) AS candidates ORDER BY {columns_in(order)}"  # noqa: S608
    return f"{ordered} OFFSET {SEARCHED_ROWS - 1} LIMIT 1", arguments


async def read_listing(pool: Pool, found: Listing, limit: int) -> ListedRows:
    """The rows of a page. A search reads them and the last row that it looked at from one snapshot."""
    if found.last_searched is None:
        async with acquire(pool) as db:
            return ListedRows(list(await db.fetch(found.page[0], *found.page[1])), None)
    async with snapshot(pool) as db:
        rows = list(await db.fetch(found.page[0], *found.page[1]))
        ended = len(rows) > limit or is_cut(rows)
        last: Any = None if ended else await db.fetchrow(found.last_searched[0], *found.last_searched[1])
    return ListedRows(rows, None if last is None else found.order.of(last))


def between(column: str, first: datetime | None, end: datetime | None) -> list[Condition]:
    """Times in [first, end)."""
    return [(f"{column} >= {{}}", first), (f"{column} < {{}}", end)]


def contains(text: str | None, *columns: str) -> Condition:
    """One of the columns contains the text, in capitals or not."""
    if text is None:
        return ("true", None)
    alternatives = " OR ".join(f"{column} ILIKE {{}}" for column in columns)
    return (f"({alternatives})", *[containing(text)] * len(columns))
