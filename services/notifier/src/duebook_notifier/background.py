"""What a mail says about its subject's surroundings: the zone of its job, dead letters with its error, its payload."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duebook_common.domain.job import events as job_events
from duebook_common.domain.run.fingerprint import fingerprint
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.definitions import in_force
from duebook_notifier.subject import MailSubject, MissedOccurrences

FAILURES = frozenset({"failed", "dead_lettered"})
MOST_ALIKE = 1000  # counted; beyond it a mail says "or more"

_ALIKE = f"""
SELECT count(*) AS dead_letters, count(DISTINCT job_id) AS jobs, min(finished_at) AS since FROM (
    SELECT job_id, finished_at FROM runs WHERE status = 'dead_lettered' AND fingerprint = $1 LIMIT {MOST_ALIKE}
) AS alike
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Alike:
    """The dead letters with one error that have not been redriven or discarded when the mail is written."""

    dead_letters: int = 0
    jobs: int = 0
    since: datetime | None = None

    @property
    def capped(self) -> bool:
        return self.dead_letters >= MOST_ALIKE


@dataclass(frozen=True, slots=True)
class Background:
    """`alike` and `payload` are those of a failure."""

    zone: str = "UTC"
    alike: Alike = Alike()
    payload: Any = None


def error_group(run: Run, outcome: str) -> str:
    """The fingerprint of the failure; a retried run may still have that of an earlier one."""
    if outcome == "dead_lettered" and run.fingerprint:
        return run.fingerprint
    return fingerprint(run.task, run.error) if run.error else ""


async def load_background(db: Connection, subject: MailSubject, outcome: str) -> Background:
    if isinstance(subject, MissedOccurrences):
        return Background(subject.definition.timezone)
    [definition] = await in_force(db, [(job_events.stream(subject.job_id), subject.definition_version)])
    if outcome not in FAILURES:
        return Background(definition.timezone)
    row = await db.fetchrow(_ALIKE, error_group(subject, outcome))
    alike = Alike(**row) if row else Alike()
    return Background(definition.timezone, alike, subject.payload if subject.own_payload else definition.payload)
