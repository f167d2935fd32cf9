"""Outcomes whose mails are owed: each is a due row until all its mails are recorded, whatever becomes of its message.

RabbitMQ brings an outcome to the notifier at once. This table brings it again if that message was lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from duebook_common.store.database import Connection

# For RabbitMQ's message and a slow mail: without Redis's lock, another notifier would send that a second time.
# Then twice as long after each try, up to an hour.
GRACE_SECONDS = 120

_OWE = f"""
INSERT INTO mails_owed (run_id, job_id, outcome, version, wake_at)
SELECT *, clock_timestamp() + interval '{GRACE_SECONDS} seconds'
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[])
ON CONFLICT DO NOTHING
"""  # noqa: S608
_SETTLE = "DELETE FROM mails_owed WHERE run_id = $1 AND outcome = $2 AND version = $3"
_CLAIM = f"""
UPDATE mails_owed SET
    tries = tries + 1,
    wake_at = $1::timestamptz + least({GRACE_SECONDS} * power(2, least(tries, 10)), 3600) * interval '1 second'
WHERE (run_id, outcome, version) IN (
    SELECT run_id, outcome, version FROM mails_owed
    WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING run_id, job_id, outcome, version
"""  # noqa: S608
_DEFAULT_RECIPIENTS = "SELECT default_recipients FROM notifier_settings"
_SET_DEFAULT_RECIPIENTS = """
INSERT INTO notifier_settings (default_recipients) VALUES ($1)
ON CONFLICT (only_row) DO UPDATE SET default_recipients = excluded.default_recipients
"""


@dataclass(frozen=True, slots=True)
class OwedMail:
    """An outcome; `version` is that of its event, as in the topic of its mails."""

    run_id: UUID
    job_id: UUID
    outcome: str
    version: int


async def owe(db: Connection, owed: Iterable[OwedMail]) -> None:
    """Record that these outcomes may need mails. A repeat changes nothing."""
    columns = zip(*((one.run_id, one.job_id, one.outcome, one.version) for one in owed), strict=True)
    if values := [list(column) for column in columns]:
        await db.execute(_OWE, *values)


async def settle(db: Connection, run_id: UUID, outcome: str, version: int) -> None:
    """The outcome's mails are all recorded, or it needs none."""
    await db.execute(_SETTLE, run_id, outcome, version)


async def claim_owed(db: Connection, now: datetime, limit: int) -> list[OwedMail]:
    """The outcomes that are due, for this caller alone until they are due again."""
    return [OwedMail(**record) for record in await db.fetch(_CLAIM, now, limit)]


async def has_default_recipients(db: Connection) -> bool:
    """Whether the notifier mails jobs that name no recipients. Before the first notifier started it may yet do so."""
    found = await db.fetchval(_DEFAULT_RECIPIENTS)
    return found is not False


async def set_default_recipients(db: Connection, present: bool) -> None:
    await db.execute(_SET_DEFAULT_RECIPIENTS, present)
