"""Which rows a list shows: conditions in SQL, each only where it is asked for.

One statement for all combinations (`$1 IS NULL OR name = $1`) would have one plan for all: for a rare name it would
read the whole table.
"""

from collections.abc import Sequence

from duebook_api.http.paging import PageQuery, after

# A condition, and the values for its `{}`: without any it always counts, with None it is not asked for.
Condition = tuple[str, *tuple[object, ...]]
Statement = tuple[str, list[object]]


def where(*conditions: Condition) -> Statement:
    """What holds for rows that meet all of them, and the arguments of that."""
    texts: list[str] = []
    arguments: list[object] = []
    for text, *values in conditions:
        if None not in values:
            texts.append(text.format(*(f"${len(arguments) + n}" for n in range(1, len(values) + 1))))
            arguments += values
    return " AND ".join(texts) or "true", arguments


def newest(select: str, key: str, page: PageQuery, *conditions: Condition) -> Statement:
    """One page of rows and one row beyond it, newest first; `key` orders what was made in the same moment."""
    met, arguments = where(*conditions, (f"(created_at, {key}) < ({{}}, {{}})", *after(page.cursor)))
    return f"{select} WHERE {met} {_order(key, page)}", arguments


def newest_of(select: str, key: str, page: PageQuery, *parts: Sequence[Condition]) -> Statement:
    """The same of all parts together, each found by an index of its own; they differ in conditions without values."""
    statements = [newest(select, key, page, *conditions) for conditions in parts]
    together = " UNION ALL ".join(f"({text})" for text, _ in statements)
    return f"{together} {_order(key, page)}", statements[0][1]


def _order(key: str, page: PageQuery) -> str:
    return f"ORDER BY created_at DESC, {key} DESC LIMIT {page.limit + 1}"


def of_jobs(name: str | None, task: str | None, queue: str | None, tag: str | None) -> list[Condition]:
    return [
        ("name = {}", name),
        ("task = {}", task),
        ("queue = {}", queue),
        ("tags @> ARRAY[{}] AND tags <> '{{}}'", tag),
    ]


def of_dead_letters(
    job_id: str | None, task: str | None, queue: str | None, fingerprint: str | None
) -> list[Condition]:
    return [
        ("status = 'dead_lettered'",),
        ("job_id = {}", job_id),
        ("task = {}", task),
        ("queue = {}", queue),
        ("fingerprint = {}", fingerprint),
    ]
