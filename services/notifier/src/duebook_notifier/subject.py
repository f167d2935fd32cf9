"""What a mail tells of, read from the books as it stood then: a run, or occurrences that were missed together."""

from dataclasses import dataclass
from uuid import UUID

from duebook_common.domain.definition import Definition, Notify
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.events import OccurrencesSkipped
from duebook_common.domain.mail import MISSED
from duebook_common.domain.run import events
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.definitions import in_force
from duebook_common.store.eventstore import read
from duebook_common.store.replay import fold_run


class UnknownOutcome(Exception):
    """The books know nothing of it."""


@dataclass(frozen=True, slots=True)
class MissedOccurrences:
    """Occurrences that were missed together, by the definition in force then.

    `id` is the run that the last of them would have had: their mails stand under it.
    """

    id: UUID
    job_id: UUID
    definition: Definition
    skipped: OccurrencesSkipped

    attempt = 0

    @property
    def job_name(self) -> str:
        return self.definition.name

    @property
    def task(self) -> str:
        return self.definition.task

    @property
    def queue(self) -> str:
        return self.definition.queue

    @property
    def reason(self) -> str:
        return self.skipped.reason

    @property
    def notify(self) -> Notify:
        return Notify(self.definition.recipients, self.definition.notify.on)


News = Run | MissedOccurrences


async def look_up(db: Connection, run_id: UUID, job_id: UUID, outcome: str, version: int) -> News:
    """What the event of that version told: a mail tells of that moment, however late it is sent.

    Raises UnknownOutcome.
    """
    if outcome == MISSED:
        return await _missed(db, run_id, job_id, version)
    recorded = await read(db, events.stream(run_id), limit=max(version, 0))
    if not recorded or recorded[-1].version != version:
        raise UnknownOutcome(f"run {run_id} has no event {version}")
    return fold_run(recorded)


async def _missed(db: Connection, run_id: UUID, job_id: UUID, version: int) -> MissedOccurrences:
    stream = job_events.stream(job_id)
    recorded = await read(db, stream, version - 1, 1)
    skipped = recorded[0].event if recorded else None
    if not isinstance(skipped, OccurrencesSkipped) or events.run_id_at(job_id, skipped.last) != run_id:
        raise UnknownOutcome(f"event {version} of job {job_id} skips nothing up to the time of run {run_id}")
    [definition] = await in_force(db, [(stream, version)])
    return MissedOccurrences(run_id, job_id, definition, skipped)
