"""Results that end by bytes as well as by count: a client chooses how large payloads, metadata and results are."""

PAGE_BYTES = 2 * 1024 * 1024

# The columns of a row that `bounded` returns come from this name.
ROWS = "numbered"


def size_of(column: str) -> str:
    """SQL for the bytes of a jsonb value when it is not compressed."""
    return f"coalesce(pg_column_size({column} #> '{{}}'), 0)"


def bounded(listed: str, size: str, order: str, columns: str, most_bytes: int | str = PAGE_BYTES) -> str:
    """The rows of the query `listed` until those before them have `most_bytes`, at least the first.

    `found` is the number of all rows of `listed`. They are measured one by one, so that the large values of the rows
    that are left out are never read.
    """
    return f"""
WITH RECURSIVE {ROWS} AS MATERIALIZED (
    SELECT *, row_number() OVER (ORDER BY {order}) AS n FROM ({listed}) AS listed
), measured AS (
    SELECT n, ({size})::bigint AS total FROM {ROWS} WHERE n = 1
    UNION ALL
    SELECT {ROWS}.n, total + {size} FROM measured JOIN {ROWS} ON {ROWS}.n = measured.n + 1 WHERE total < {most_bytes}
)
SELECT {columns}, (SELECT count(*) FROM {ROWS}) AS found FROM {ROWS}
WHERE n <= (SELECT max(n) FROM measured) ORDER BY n
"""  # noqa: S608
