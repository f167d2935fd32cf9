"""The subject of a mail: a run, or occurrences that were missed together, as it was at the time of its outcome."""

from dataclasses import dataclass
from uuid import UUID

from duebook_common.domain.definition import Definition, Notify
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.events import OccurrencesSkipped
from duebook_common.domain.mail import MISSED
from duebook_common.domain.run import events
from duebook_common.domain.run.ids import run_id_at
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.definitions import in_force
from duebook_common.store.eventstore import read
from duebook_common.store.replay import fold_run


class UnknownOutcome(Exception):
    """The log has no such outcome."""


@dataclass(frozen=True, slots=True)
class MissedOccurrences:
    """Occurrences that one event skipped as missed, with the definition in force then.

    `id` is the run id that the last of them would have had; their mails are stored under it.
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


MailSubject = Run | MissedOccurrences


async def load_subject(db: Connection, run_id: UUID, job_id: UUID, outcome: str, version: int) -> MailSubject:
    """The subject as of the event `version`: a mail reports that moment, however late it is sent.

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
    if not isinstance(skipped, OccurrencesSkipped) or run_id_at(job_id, skipped.last) != run_id:
        raise UnknownOutcome(f"event {version} of job {job_id} does not skip the occurrence of run {run_id}")
    [definition] = await in_force(db, [(stream, version)])
    return MissedOccurrences(run_id, job_id, definition, skipped)
