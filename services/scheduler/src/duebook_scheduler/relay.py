"""The relay: tells `duebook.events` how runs go, each outcome at least once, none stepped over."""

from collections.abc import Sequence
from typing import Any

from duebook_common.codec import NOTIFY
from duebook_common.database import Pool, transaction
from duebook_common.domain.mail import wanted
from duebook_common.eventstore import HORIZON
from duebook_common.messaging import EVENTS, MAIL_DEFAULT, MAIL_NAMED, OutcomeMessage, declare_events
from duebook_common.publishing import Outgoing, Publisher
from duebook_common.subscription import claim, move_checkpoint
from duebook_common.telemetry import RELAY_LAG

_OUTCOMES = {
    "AttemptSucceeded": "succeeded",
    "AttemptFailed": "failed",
    "AttemptLost": "failed",
    "RunDeadLettered": "dead_lettered",
    "RunCancelled": "cancelled",
    "RunSkipped": "skipped",
    "RunExpired": "skipped",
    "RunDiscarded": "discarded",
}

# One probe of the primary key for each outcome: left to itself the planner reads all runs for it.
_NEXT = f"""
SELECT e.xid, e.position, e.type, e.version, e.recorded_at, run.*,
       e.type IN ('AttemptFailed', 'AttemptLost') AND e.data ->> 'retry_at' IS NULL AS last_failure
FROM (
    SELECT * FROM events WHERE (xid, position) > ($1::xid8, $2) AND {HORIZON} ORDER BY xid, position LIMIT $3
) AS e
LEFT JOIN LATERAL (
    SELECT run_id, job_id, job_name, task, queue, attempt, reason, notify FROM runs
    WHERE run_id = CASE WHEN e.type = ANY($4::text[]) THEN substring(e.stream FROM 5)::uuid END OFFSET 0
) AS run ON true
ORDER BY e.xid, e.position
"""  # noqa: S608

_BATCH = 1000


class Relay:
    """Publishes outcomes in the order of the log; any number may run, one at a time has the turn."""

    def __init__(self, pool: Pool, publisher: Publisher) -> None:
        self._pool, self._publisher = pool, publisher
        self._declared = False

    async def step(self) -> int:
        """Relay one batch; returns how many events were dealt with."""
        if not self._publisher.connected:
            self._declared = False
            return 0
        if not self._declared:
            await declare_events(await self._publisher.channel())
            self._declared = True
        async with transaction(self._pool) as db:
            place = await claim(db, "relay")
            if place is None:
                return 0
            records = await db.fetch(_NEXT, place.xid, place.position, _BATCH, list(_OUTCOMES))
            RELAY_LAG.set(len(records))
            done = await self._publish(records)
            if done:
                await move_checkpoint(db, "relay", place, records[done - 1])
            return done

    async def _publish(self, records: Sequence[Any]) -> int:
        """Publish what tells an outcome; returns how many events, from the first on, are dealt with."""
        telling = [n for n, record in enumerate(records) if _tells(record)]
        answers = await self._publisher.publish([_message(records[n]) for n in telling])
        failed = next((n for n, answer in zip(telling, answers, strict=True) if answer is not None), None)
        if failed is not None:
            self._declared = False  # the exchange may be gone with the broker's data
        return len(records) if failed is None else failed


def _tells(record: Any) -> bool:
    """The last failure is told by the dead letter, or the cancellation, that follows it."""
    return record["run_id"] is not None and not record["last_failure"]


def _message(record: Any) -> Outgoing:
    outcome = _OUTCOMES[record["type"]]
    message = OutcomeMessage(
        run_id=record["run_id"],
        job_id=record["job_id"],
        outcome=outcome,
        attempt=record["attempt"],
        version=record["version"],
        at=record["recorded_at"],
        notify=bool(record["notify"]["to"]),
        job_name=record["job_name"],
        task=record["task"],
        queue=record["queue"],
    )
    return Outgoing(
        EVENTS,
        message.routing_key,
        message.encode(),
        also=_mail_key(record, outcome),
        message_id=f"{message.run_id}.{message.version}",
        mandatory=False,
    )


def _mail_key(record: Any, outcome: str) -> str | None:
    """Where else the outcome goes, if a mail may tell of it: most concern nobody, and take a shorter way."""
    notify = NOTIFY.validate_python(record["notify"])
    if not wanted(notify, outcome, record["reason"]):
        return None
    return MAIL_NAMED if notify.to else MAIL_DEFAULT
