"""The SQL of lists: each filter becomes a condition only if the request uses it.

One statement for all combinations (`$1 IS NULL OR name = $1`) would have one plan for all of them, which reads the
whole table for a rare name.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from duebook_api.http.paging import PageQuery, SortOrder
from duebook_common.store.byte_bounds import bounded

# SQL with `{}` for each argument, then the arguments. A None among them leaves the condition out.
Condition = tuple[str, *tuple[object, ...]]
# SQL with `$1`, `$2`, …, and the arguments.
Statement = tuple[str, list[object]]


class Listing(NamedTuple):
    """How a list is read: its page in this order, and for a search the last row that it looks at."""

    page: Statement
    order: SortOrder
    last_searched: Statement | None = None


def where(*conditions: Condition, first: int = 1) -> Statement:
    """The conditions joined by AND; `true` if none applies. The arguments are numbered from `first`.

    >>> where(("status = 'active'",), ("name = {}", None), ("queue = {}", "q"))
    ("status = 'active' AND queue = $1", ['q'])
    """
    texts: list[str] = []
    arguments: list[object] = []
    for text, *values in conditions:
        if None not in values:
            texts.append(text.format(*(f"${first + len(arguments) + n}" for n in range(len(values)))))
            arguments += values
    return " AND ".join(texts) or "true", arguments


def newest_first(
    select: str, order: SortOrder, page: PageQuery, *conditions: Condition, most: int | None = None
) -> Statement:
    """One page in its order, and one more row, which shows whether there is a next page; or `most` rows."""
    marks, sign = ", ".join(["{}"] * len(order.columns)), "<" if order.descending else ">"
    behind_cursor: Condition = (f"({', '.join(order.columns)}) {sign} ({marks})", *order.decode(page))
    condition, arguments = where(*conditions, behind_cursor)
    return f"{select} WHERE {condition} {order_and_limit(order, most or page.limit + 1)}", arguments


def within_bytes(statement: Statement, order: SortOrder, columns: str, size: str) -> Statement:
    """These columns of the first rows of a page, whose sizes fit into PAGE_BYTES but for the last row's.

    `found` counts the rows of the whole page.
    """
    page, arguments = statement
    return bounded(page, size, columns_in(order), columns), arguments


def is_cut(rows: Sequence[Any]) -> bool:
    """Whether `within_bytes` left rows of the page out."""
    return bool(rows) and rows[0]["found"] > len(rows)


def newest_first_of_union(
    select: str, order: SortOrder, page: PageQuery, *alternatives: Sequence[Condition], most: int | None = None
) -> Statement:
    """Like `newest_first`, over the UNION ALL of several lists of conditions, so that each can use its own index.

    The lists must take the same arguments, and no row may meet two of them.
    """
    statements = [newest_first(select, order, page, *conditions, most=most) for conditions in alternatives]
    if len(statements) == 1:
        return statements[0]
    union = " UNION ALL ".join(f"({text})" for text, _ in statements)
    return f"{union} {order_and_limit(order, most or page.limit + 1)}", statements[0][1]


def order_and_limit(order: SortOrder, limit: int) -> str:
    return f"ORDER BY {columns_in(order)} LIMIT {limit}"


def columns_in(order: SortOrder) -> str:
    return ", ".join(f"{column} DESC" if order.descending else column for column in order.columns)


def job_conditions(name: str | None, task: str | None, queue: str | None, tag: str | None) -> list[Condition]:
    return [
        ("name = {}", name),
        ("task = {}", task),
        ("queue = {}", queue),
        ("tags @> ARRAY[{}] AND tags <> '{{}}'", tag),  # the second part matches the partial index
    ]


def some_job_has(tag: str | None) -> Condition:
    """Once for the whole query: a search for a tag that no job has ends before it looks at a row."""
    return ("EXISTS (SELECT FROM jobs WHERE tags @> ARRAY[{}] AND tags <> '{{}}')", tag)


def dead_letter_conditions(
    job_id: str | None, task: str | None, queue: str | None, fingerprint: str | None
) -> list[Condition]:
    return [
        ("status = 'dead_lettered'",),
        ("job_id = {}", job_id),
        ("task = {}", task),
        ("queue = {}", queue),
        ("fingerprint = {}", fingerprint),
    ]
