"""A count of the log by itself, one event after the other: what the statistics must equal."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from duebook_common.domain.job.events import JobChanged, JobCreated, OccurrencesSkipped
from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptLost,
    AttemptStarted,
    AttemptSucceeded,
    FirstEvent,
    RunCancelled,
    RunDeadLettered,
    RunDiscarded,
    RunExpired,
    RunSkipped,
)
from duebook_common.store.database import Pool, connect
from duebook_common.store.eventstore import RecordedEvent
from duebook_common.store.statistics import StatisticsSubscriber
from support.bookkeeping import eventually, log

OUTCOMES = ["succeeded", "dead_lettered", "cancelled", "skipped", "discarded", "failed"]
_NAMES: dict[type, str] = {
    AttemptSucceeded: "succeeded",
    RunDeadLettered: "dead_lettered",
    RunCancelled: "cancelled",
    RunSkipped: "skipped",
    RunExpired: "skipped",
    OccurrencesSkipped: "skipped",
    RunDiscarded: "discarded",
    AttemptFailed: "failed",
    AttemptLost: "failed",
}
Row = tuple[timedelta, str, datetime, str]


async def stored(pool: Pool) -> dict[Row, tuple[list[int], list[int], list[int]]]:
    """The statistics, by step, dimension, time and key."""
    rows: Any = await pool.fetch("SELECT * FROM statistics")
    return {
        (r["step"], r["dimension"], r["at"], r["key"]): (list(r["counts"]), list(r["lateness"]), list(r["duration"]))
        for r in rows
    }


async def counts(pool: Pool) -> dict[Row, dict[str, int]]:
    """The counts of the statistics, those that are not 0."""
    return {row: _named(values[0]) for row, values in (await stored(pool)).items()}


def _named(values: Sequence[int]) -> dict[str, int]:
    return {name: value for name, value in zip(OUTCOMES, values, strict=False) if value}


async def times(pool: Pool) -> dict[Row, tuple[int, int]]:
    """How many first starts, and how many attempts with a duration, the statistics have."""
    return {row: (sum(values[1]), sum(values[2])) for row, values in (await stored(pool)).items()}


async def counted(pool: Pool) -> tuple[dict[Row, dict[str, int]], dict[Row, tuple[int, int]]]:
    """The same, counted from the log."""
    outcomes, starts, ends = Counter[tuple[Row, str]](), Counter[Row](), Counter[Row]()
    for recorded, queue, task in _with_names(await log(pool)):
        event, rows = recorded.event, list(_rows(recorded, queue, task))
        if name := _NAMES.get(type(event)):
            weight = event.count if isinstance(event, OccurrencesSkipped) else 1
            outcomes.update({(row, name): weight for row in rows})
        if isinstance(event, AttemptStarted) and event.attempt == 1:
            starts.update(rows)
        if isinstance(event, AttemptSucceeded | AttemptFailed):
            ends.update(rows)
    every = {row for row, _ in outcomes} | starts.keys() | ends.keys()
    by_name = {row: {name: outcomes[row, name] for name in OUTCOMES if outcomes[row, name]} for row in every}
    return by_name, {row: (starts[row], ends[row]) for row in every}


def _with_names(events: Sequence[RecordedEvent]) -> Iterator[tuple[RecordedEvent, str, str]]:
    """Each event with the queue and the task of its run, or of its job at that time."""
    names: dict[str, tuple[str, str]] = {}
    for recorded in events:
        event = recorded.event
        if isinstance(event, JobCreated | JobChanged):
            names[recorded.stream] = event.definition.queue, event.definition.task
        elif isinstance(event, FirstEvent):
            names[recorded.stream] = event.queue, event.task
        if recorded.stream in names:
            yield recorded, *names[recorded.stream]


def _rows(recorded: RecordedEvent, queue: str, task: str) -> Iterator[Row]:
    at = recorded.recorded_at.replace(second=0, microsecond=0)
    steps = {timedelta(minutes=1): at, timedelta(hours=1): at.replace(minute=0)}
    steps[timedelta(minutes=5)] = at.replace(minute=at.minute // 5 * 5)
    steps[timedelta(days=1)] = at.replace(minute=0, hour=0)
    for step, start in steps.items():
        yield from ((step, dimension, start, key) for dimension, key in (("all", ""), ("queue", queue), ("task", task)))
    yield timedelta(hours=1), "job", at.replace(minute=0), str(recorded.job_id)


_BEHIND = """
SELECT EXISTS (
    SELECT FROM events LEFT JOIN checkpoints ON subscriber = 'statistics'
    WHERE checkpoints IS NULL OR (events.xid, events.position) > (checkpoints.xid, checkpoints.position)
)
"""


async def is_behind(pool: Pool) -> bool:
    """Whether the log has events that are not counted yet."""
    behind: bool = await pool.fetchval(_BEHIND)
    return behind


async def count_all(pool: Pool) -> None:
    """Let a scheduler of the test count the whole log."""
    subscriber = StatisticsSubscriber(pool)

    async def counted_all() -> bool:
        await subscriber.step(datetime.now(UTC))
        return not await is_behind(pool)

    await eventually(counted_all)


async def check_statistics(url: str) -> None:
    """Once a scheduler has counted the whole log, the hours and days equal a count of the log by itself.

    Clocks may have jumped by more than minutes are kept.
    """
    async with connect(url, "tests") as pool:

        async def counted_all() -> bool:
            return not await is_behind(pool)

        await eventually(counted_all)
        found, (expected, _) = await counts(pool), await counted(pool)
    assert _kept(found) == _kept(expected)


def _kept(rows: dict[Row, dict[str, int]]) -> dict[Row, dict[str, int]]:
    return {row: each for row, each in rows.items() if row[0] >= timedelta(hours=1) and row[1] != "job"}
