"""Reads of the statistics: a range of time in steps, the busiest keys each by itself and the others together."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from duebook_common.domain.statistics import DAY, EPOCH, FIVE_MINUTES, HOUR, MINUTE, OTHER, Dimension, Rollup, floor
from duebook_common.store.database import Connection

# The counts of runs; those of failed attempts come after them.
_RUNS = " + ".join(f"coalesce(counts[{n}], 0)" for n in range(1, 6))
_BUSIEST = f"""
SELECT key FROM statistics
WHERE step = $1 AND dimension = $2 AND at >= $3 AND at < $4 AND key <> ''
GROUP BY key ORDER BY sum({_RUNS}) DESC, key LIMIT $5
"""  # noqa: S608
_OF_KEYS = "FROM statistics WHERE step = $1 AND dimension = $2 AND at >= $3 AND at < $4 AND key = ANY($5::text[])"
_MEASURES = "counts", "lateness", "duration"
_LENGTHS = f"SELECT {', '.join(f'max(cardinality({name}))' for name in _MEASURES)} {_OF_KEYS}"
_STARTS = """
SELECT key, at, (SELECT sum(n) FROM unnest(lateness) AS n)::bigint AS number FROM statistics
WHERE step = $1 AND dimension = $2 AND at >= $3 AND at < $4 AND key = ANY($5::text[]) AND lateness <> '{}'
"""

_LONGER = {MINUTE: HOUR, FIVE_MINUTES: HOUR, HOUR: DAY}
_MANY = 6


class StatisticsRange(NamedTuple):
    """Which rows are read, those of `base`, and the steps into which they are added up."""

    start: datetime
    end: datetime
    base: timedelta
    step: timedelta
    dimension: Dimension


def coarse(wanted: StatisticsRange) -> StatisticsRange:
    """Fewer rows from which the busiest keys of the range can be told: those of the next longer step, if it has many.

    A day of a hundred queues has 144,000 minutes and 2,400 hours.
    """
    longer = _LONGER.get(wanted.base)
    if longer is None or wanted.dimension is Dimension.JOB or wanted.end - wanted.start < _MANY * longer:
        return wanted
    return wanted._replace(start=floor(wanted.start, longer), base=longer)


async def busiest_keys(db: Connection, wanted: StatisticsRange, most: int) -> list[str]:
    """The keys with the most runs in the range, the busiest first, in the whole hours or days of a long range."""
    rows = coarse(wanted)
    records = await db.fetch(_BUSIEST, rows.base, rows.dimension, rows.start, rows.end, most)
    return [record["key"] for record in records]


async def read_statistics(
    db: Connection, wanted: StatisticsRange, keys: Sequence[str], *, others: bool = True
) -> dict[tuple[datetime, str], Rollup]:
    """What each step has of each of these keys, and with `others` of all other keys together, as OTHER; in order.

    The others are what all runs have without these keys: so the rows of the others, which are most, are not read.
    """
    found = await _read(db, wanted, keys) if keys else {}
    if others:
        every = await _read(db, wanted._replace(dimension=Dimension.ALL), [OTHER])
        for (at, _), rollup in found.items():
            every[at, OTHER].subtract(rollup)
        found |= {step: rollup for step, rollup in every.items() if any(map(any, rollup.measures))}
    return dict(sorted(found.items()))


class StartsOfStep(NamedTuple):
    """How many runs of the key began in the step that begins at this time."""

    key: str
    at: datetime
    number: int


async def read_starts(db: Connection, wanted: StatisticsRange, keys: Sequence[str]) -> list[StartsOfStep]:
    """The starts of each of these keys in each counted step, in no order. Each run's first start has one lateness."""
    row = (wanted.base, wanted.dimension, wanted.start, wanted.end)
    return [StartsOfStep(*record) for record in await db.fetch(_STARTS, *row, list(keys))]


async def _read(db: Connection, wanted: StatisticsRange, keys: Sequence[str]) -> dict[tuple[datetime, str], Rollup]:
    row = (wanted.base, wanted.dimension, wanted.start, wanted.end, list(keys))
    records: Any = await db.fetch(_steps(await _lengths(db, wanted)), *row, wanted.step, EPOCH)
    return {(record["bin"], record["key"]): _rollup(record) for record in records}


def _rollup(record: Any) -> Rollup:
    counts, lateness, duration = ([number or 0 for number in record[name]] for name in _MEASURES)
    return Rollup((counts, lateness, duration))


async def _lengths(db: Connection, wanted: StatisticsRange) -> list[int]:
    """How many slots each measure has at most: none has more than the sums of all runs, whose rows are few.

    The rows of a key would not do: in a longer step the key may be among those that are counted together.
    """
    rows = coarse(wanted._replace(dimension=Dimension.ALL))
    record: Any = await db.fetchrow(_LENGTHS, rows.base, rows.dimension, rows.start, rows.end, [OTHER])
    return [length or 0 for length in record]


def _steps(lengths: Sequence[int]) -> str:
    """The sums of each step and key, slot by slot: to unnest the arrays takes twice as long."""
    sums = ", ".join(_sums(name, length) for name, length in zip(_MEASURES, lengths, strict=True))
    return f"SELECT date_bin($6, at, $7) AS bin, key, {sums} {_OF_KEYS} GROUP BY 1, 2 ORDER BY 1, 2"


def _sums(column: str, slots: int) -> str:
    return f"ARRAY[{', '.join(f'sum({column}[{slot}])' for slot in range(1, slots + 1))}]::bigint[] AS {column}"
