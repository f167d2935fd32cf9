"""The relay: publishes the outcomes of runs to `duebook.events`, each at least once, in the order of the log."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import MAIL_DEFAULT, MAIL_NAMED, declare_events
from duebook_common.domain.mail import MISSED_REASONS
from duebook_common.runtime.telemetry import RELAY_LAG
from duebook_common.store.checkpoints import claim, move_checkpoint
from duebook_common.store.database import Connection, Pool, acquire, transaction
from duebook_common.store.definitions import in_force
from duebook_common.store.eventstore import HORIZON
from duebook_common.store.log_pulse import LogPulse
from duebook_common.store.mails_owed import has_default_recipients, owe
from duebook_scheduler.outcome_messages import OUTCOMES, RelayedOutcome, of_missed, of_run

# OFFSET 0 keeps the planner from joining all runs: it makes one probe of the primary key for each outcome.
_NEXT = f"""
SELECT e.xid, e.position, e.stream, e.type, e.version, e.recorded_at, e.job_id AS of_job, run.*,
       e.type IN ('AttemptFailed', 'AttemptLost') AND e.data ->> 'retry_at' IS NULL AS last_failure,
       CASE WHEN e.type = 'OccurrencesSkipped' AND e.data ->> 'reason' = ANY($5::text[]) THEN e.data END AS missed
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
    """Publishes outcomes in the order of the log. Any number of relays may run; one at a time holds the lock."""

    def __init__(self, pool: Pool, publisher: Publisher, pulse: LogPulse | None = None) -> None:
        self._pool, self._publisher, self._pulse = pool, publisher, pulse or LogPulse(pool)
        self._declared = False

    async def step(self) -> int:
        """Relay one batch. Returns its number of events if it was full, else 0: a pause gathers more for the next."""
        if not self._publisher.connected:
            self._declared = False
            return 0
        if not self._declared:
            async with await self._publisher.extra_channel() as channel:
                await declare_events(channel)
            self._declared = True
        if not await self._pulse.has_new_events("relay"):
            RELAY_LAG.set(0)
            return 0
        async with transaction(self._pool) as db:
            checkpoint = await claim(db, "relay")
            if checkpoint is None:
                return 0
            records = await db.fetch(_NEXT, checkpoint.xid, checkpoint.position, _BATCH, list(OUTCOMES), MISSED_REASONS)
            RELAY_LAG.set(len(records))
            outcomes = await _outcomes(db, records)
            await self._owe(outcomes.values())
            done = await self._publish(records, outcomes)
            if done:
                await move_checkpoint(db, "relay", checkpoint, records[done - 1])
            return done if len(records) == _BATCH else 0

    async def _owe(self, outcomes: Iterable[RelayedOutcome]) -> None:
        """Record the mails that may follow before RabbitMQ has the outcomes: it may lose them.

        In a transaction of its own: one with a write must not wait for RabbitMQ, because it holds back the feed.
        """
        mailed = [outcome for outcome in outcomes if outcome.mail is not None]
        if not mailed:
            return
        async with acquire(self._pool) as db:
            if any(outcome.mail == MAIL_DEFAULT for outcome in mailed) and not await has_default_recipients(db):
                mailed = [outcome for outcome in mailed if outcome.mail == MAIL_NAMED]
            await owe(db, [outcome.owed for outcome in mailed])

    async def _publish(self, records: Sequence[Any], outcomes: Mapping[int, RelayedOutcome]) -> int:
        """Publish the outcomes, by the index of their record; returns how many records are done, from the first on."""
        errors = await self._publisher.publish([outcome.message() for outcome in outcomes.values()])
        failed = next((n for n, error in zip(outcomes, errors, strict=True) if error is not None), None)
        if failed is not None:
            self._declared = False  # the broker may have lost the exchange with its data
        return len(records) if failed is None else failed


async def _outcomes(db: Connection, records: Sequence[Any]) -> dict[int, RelayedOutcome]:
    """The outcomes to publish, by the index of their record, in order."""
    missed = [n for n, record in enumerate(records) if record["missed"] is not None]
    found = await in_force(db, [(records[n]["stream"], records[n]["version"]) for n in missed])
    definitions = dict(zip(missed, found, strict=True))
    return {
        n: of_missed(record, definitions[n]) if n in definitions else of_run(record)
        for n, record in enumerate(records)
        if n in definitions or _is_outcome(record)
    }


def _is_outcome(record: Any) -> bool:
    """Whether the event is an outcome of a run; the last failure is not, because a dead letter or a cancel follows."""
    return record["run_id"] is not None and not record["last_failure"]
