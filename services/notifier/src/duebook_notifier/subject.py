"""The subject of a mail: a run, or occurrences that were missed together, as it was at the time of its outcome."""

from dataclasses import dataclass
from typing import Any
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

FAILURES = frozenset({"failed", "dead_lettered"})


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
MOST_ALIKE = 1000  # counted; beyond it a mail says "or more"

_ALIKE = f"""
SELECT count(*) FROM (
    SELECT FROM runs WHERE status = 'dead_lettered' AND fingerprint = $1 LIMIT {MOST_ALIKE}
) AS alike
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Background:
    """What a mail about a failure tells beside it: how many dead letters rest with its error, and the run's payload."""

    alike: int = 0
    payload: Any = None


async def load_background(db: Connection, subject: MailSubject, outcome: str) -> Background:
    """Only a mail about a failure has one; the count is that of now."""
    if isinstance(subject, MissedOccurrences) or outcome not in FAILURES:
        return Background()
    alike: int = await db.fetchval(_ALIKE, subject.fingerprint) if subject.fingerprint else 0
    if subject.own_payload:
        return Background(alike, subject.payload)
    [definition] = await in_force(db, [(job_events.stream(subject.job_id), subject.definition_version)])
    return Background(alike, definition.payload)


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
    if not isinstance(skipped, OccurrencesSkipped) or events.run_id_at(job_id, skipped.last) != run_id:
        raise UnknownOutcome(f"event {version} of job {job_id} does not skip the occurrence of run {run_id}")
    [definition] = await in_force(db, [(stream, version)])
    return MissedOccurrences(run_id, job_id, definition, skipped)
