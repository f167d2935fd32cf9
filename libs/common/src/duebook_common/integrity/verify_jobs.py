"""The checks of jobs, each with all its runs and mails, some jobs at a time."""

from collections.abc import AsyncIterator, Callable, Container, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from duebook_common.domain.queue.state import Pauses
from duebook_common.integrity.breach import Breach
from duebook_common.integrity.verify_limits import check_overlap
from duebook_common.integrity.verify_rows import check_rows
from duebook_common.integrity.verify_run import check_run
from duebook_common.integrity.verify_schedule import check_schedule
from duebook_common.store.codec import Event, decode
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import COLUMNS, RecordedEvent
from duebook_common.store.ledger_lines import SETTLED, archived_first_events
from duebook_common.store.replay import by_stream, moving_job

_BATCH, _BATCH_EVENTS = 500, 20_000  # jobs and events of a batch, but for those of its last job
Checked = Callable[[int, int], None]
_NO_PAUSES = Pauses()
EVENTS_OF_RANGE = f"""
SELECT {COLUMNS} FROM events
WHERE job_id IS NOT NULL AND ($1::uuid IS NULL OR job_id >= $1) AND ($2::uuid IS NULL OR job_id < $2) AND NOT {SETTLED}
ORDER BY job_id, xid, position
"""  # noqa: S608
# Of a queue that works off the backlog of a pause, runs that it kept back go on, or were opened a short time ago.
_WORKING_OFF = """
SELECT DISTINCT queue FROM runs WHERE resumed_at IS NOT NULL
  AND (created_at > $1 OR (wake_at IS NOT NULL AND status <> 'dead_lettered'))
"""


class _ReadEvent(RecordedEvent):
    """An event that several checks look at: it is decoded once."""

    @cached_property
    def event(self) -> Event:
        return decode(self.type, self.data, self.job_id)


async def check_jobs(
    db: Connection, pauses: Pauses, due_before: datetime, checked: Checked, statement: str, *arguments: Any
) -> list[Breach]:
    """The breaches of the jobs whose events the statement reads. `pauses` are those of all queues.

    `checked` is called after each batch with its number of jobs and of events.
    """
    breaches = list[Breach]()
    working_off = {record["queue"] for record in await db.fetch(_WORKING_OFF, due_before)}
    async for batch in _batches(db, statement, *arguments):
        archived = await archived_first_events(db, batch)
        for job_id, recorded in batch.items():
            breaches += check_job(recorded, due_before, pauses, working_off, archived.get(job_id, ()))
        breaches += await check_rows(db, batch, archived)
        checked(len(batch), sum(map(len, batch.values())))
    return breaches


async def _batches(db: Connection, statement: str, *arguments: Any) -> AsyncIterator[dict[UUID, list[RecordedEvent]]]:
    """All that concerns jobs, some jobs at a time: the events of each job with its runs and mails."""
    batch: dict[UUID, list[RecordedEvent]] = {}
    events = 0
    async for record in db.cursor(statement, *arguments, prefetch=2000):
        recorded = _ReadEvent(**record)
        assert recorded.job_id is not None
        if recorded.job_id not in batch and (len(batch) == _BATCH or events >= _BATCH_EVENTS):
            yield batch
            batch, events = {}, 0
        batch.setdefault(recorded.job_id, []).append(recorded)
        events += 1
    if batch:
        yield batch


def check_job(
    recorded: Sequence[RecordedEvent],
    due_before: datetime,
    pauses: Pauses = _NO_PAUSES,
    working_off: Container[str] = frozenset(),
    archived: Sequence[RecordedEvent] = (),
) -> Iterator[Breach]:
    """Check one job with all its runs, which must account for what was due at `due_before` (UTC).

    `recorded` are all events about the job, in the order of the log. `pauses` are those of all queues; the queues
    `working_off` go on to work off what one kept back. `archived` are the first events of archived runs.
    """
    runs = by_stream(recorded, "run-")
    for stream, items in runs.items():
        yield from check_run(stream, [item.event for item in items])
    yield from check_schedule(moving_job(recorded, archived), due_before, pauses, working_off, runs)
    yield from check_overlap(recorded)
