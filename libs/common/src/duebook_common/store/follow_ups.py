"""Follow-ups: the runs that ends of other runs trigger, by `then` of the definition that these were dispatched with.

A subscriber of the log. It triggers first and moves its checkpoint then, so a crash between makes it trigger again; the
id of a follow-up is a function of the end that it follows, so that changes nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from duebook_common.domain.definition import FollowUp, Overlap
from duebook_common.domain.errors import JobDeletedAlready, TooManyActiveRuns
from duebook_common.domain.job.commands import DecisionContext, RefuseFollowUp, TriggerRun
from duebook_common.domain.job.events import FollowUpRefused
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.ids import run_id_of_follow_up
from duebook_common.store.actor import Actor
from duebook_common.store.checkpoints import claim, move_checkpoint
from duebook_common.store.codec import FOLLOW_UPS
from duebook_common.store.database import UNAVAILABLE, Clock, Connection, Pool, acquire, transaction
from duebook_common.store.eventstore import HORIZON
from duebook_common.store.job_handling import handle_job
from duebook_common.store.log_pulse import LogPulse
from duebook_common.store.rows import job_ids_of_keys, load_runs

log = structlog.stdlib.get_logger("follow_ups")

SUBSCRIBER = "follow-ups"
MOST_LINKS = 100
"""How many follow-ups in a row a chain may have: then a cycle ends."""
_TRIES = 5
_BATCH, _AT_ONCE, _LARGEST_RESULT = 1000, 4, 256 * 1024
_FOLLOW_UPS = 100  # of one step, about: its transaction is idle meanwhile, and PostgreSQL ends one that is so for 15 s
ENDS = {
    "AttemptSucceeded": "succeeded",
    "RunDeadLettered": "dead_lettered",
    "RunCancelled": "cancelled",
    "RunSkipped": "skipped",
    "RunExpired": "skipped",
    "RunDiscarded": "discarded",
}
# Only an end whose definition is in the index of chains has `defined_in`.
_NEXT = f"""
SELECT e.xid, e.position, e.type, e.version, run.run_id, run.job_id, defined.version AS defined_in
FROM (
    SELECT * FROM events WHERE (xid, position) > ($1::xid8, $2) AND {HORIZON} ORDER BY xid, position LIMIT $3
) AS e
LEFT JOIN LATERAL (
    SELECT run_id, job_id, definition_version FROM runs
    WHERE run_id = CASE WHEN e.type = ANY($4::text[]) THEN substring(e.stream FROM 5)::uuid END OFFSET 0
) AS run ON true
LEFT JOIN LATERAL (
    SELECT version FROM events WHERE stream = 'job-' || run.job_id AND version = run.definition_version
        AND type IN ('JobCreated', 'JobChanged') AND jsonb_array_length(data #> '{{definition,then}}') > 0
) AS defined ON true
ORDER BY e.xid, e.position
"""  # noqa: S608
_FOLLOW_UPS_OF = """
SELECT stream, version, data #> '{definition,then}' AS follow_ups
FROM events JOIN unnest($1::text[], $2::int[]) AS wanted (stream, version) USING (stream, version)
"""
_RESULT = "SELECT octet_length(result::text) AS size, result FROM runs WHERE run_id = $1"
_LINKS = """
WITH RECURSIVE chain AS (
    SELECT run_id, cause, trigger, 1 AS links FROM runs WHERE run_id = $1
    UNION ALL
    SELECT runs.run_id, runs.cause, runs.trigger, chain.links + 1 FROM runs JOIN chain ON runs.run_id = chain.cause
    WHERE chain.trigger IN ('follow_up', 'rerun') AND chain.links <= $2
)
SELECT max(links) FROM chain
"""
# A repetition must not trigger what was refused, nor refuse what was triggered: the target may have changed since.
_IS_DEALT_WITH = """
SELECT EXISTS (SELECT FROM runs WHERE run_id = $4)
    OR EXISTS (SELECT FROM events WHERE type = 'FollowUpRefused' AND data ->> 'run_id' = $1
        AND data -> 'version' = to_jsonb($2::int) AND data -> 'entry' = to_jsonb($3::int))
"""


class OwedFollowUp(NamedTuple):
    """A follow-up of the end of a run: of its event `version`, by the entry of that index in `then`."""

    run_id: UUID
    job_id: UUID
    version: int
    outcome: str
    entry: int
    follow_up: FollowUp


def owed(record: Any, then: Sequence[FollowUp]) -> list[OwedFollowUp]:
    """The follow-ups of the end that the record holds."""
    outcome = ENDS[record["type"]]
    return [
        OwedFollowUp(record["run_id"], record["job_id"], record["version"], outcome, entry, each)
        for entry, each in enumerate(then)
        if outcome in each.on
    ]


@dataclass(frozen=True, slots=True)
class _Trigger:
    """A follow-up to be triggered; nothing if it was before."""

    owed: OwedFollowUp
    context: DecisionContext
    payload: Any
    own_payload: bool

    async def prepare(self, db: Connection, _job: Job) -> TriggerRun:
        run_id = run_id_of_follow_up(self.owed.run_id, self.owed.version, self.owed.entry)
        return TriggerRun(
            run_id,
            Overlap.ALLOW_ALL,
            self.context,
            payload=self.payload,
            own_payload=self.own_payload,
            earlier=(await load_runs(db, [run_id])).get(run_id),
            cause=self.owed.run_id,
            trigger=Trigger.FOLLOW_UP,
        )


@dataclass(frozen=True, slots=True)
class _Refuse:
    """A refusal to be recorded in the stream of the job whose run has ended."""

    refusal: FollowUpRefused

    async def prepare(self, db: Connection, _job: Job) -> RefuseFollowUp:
        of = self.refusal
        return RefuseFollowUp(of, await _is_dealt_with(db, of))


class FollowUpSubscriber:
    """Triggers what follows the ends of runs. Any number may run; one at a time acts."""

    def __init__(
        self, pool: Pool, clock: Clock, actor: Actor, misfire: timedelta, max_active: int,
        pulse: LogPulse | None = None,
    ) -> None:  # fmt: skip
        self._pool, self._clock, self._actor, self._pulse = pool, clock, actor, pulse or LogPulse(pool)
        self._misfire, self._max_active = misfire, max_active
        self._failures = Counter[tuple[UUID, int, int]]()  # of the follow-ups of this step, in this and earlier tries

    async def step(self, wake: Callable[[], None] = lambda: None) -> int:
        """Deal with the next events; returns their number if there may be more, else 0. `wake`: something is due.

        Raises the error of a follow-up that failed. Then the caller repeats the step after a pause: it tries again what
        failed, and after some tries the follow-up is refused.
        """
        if not await self._pulse.has_new_events(SUBSCRIBER):
            return 0
        async with transaction(self._pool) as db:
            seen = await claim(db, SUBSCRIBER)
            if seen is None:
                return 0
            records = await db.fetch(_NEXT, seen.xid, seen.position, _BATCH, list(ENDS))
            count, follow_ups = await _first_owed(db, records)
            if follow_ups:
                await self._trigger_all(follow_ups)
                wake()
            if count:
                await move_checkpoint(db, SUBSCRIBER, seen, records[count - 1])
                self._failures.clear()
        return count if count < len(records) or count == _BATCH else 0

    async def _trigger_all(self, follow_ups: Sequence[OwedFollowUp]) -> None:
        """Those of one target one after the other, different targets side by side: none waits for all of another."""
        by_target: dict[str, list[OwedFollowUp]] = {}
        for each in follow_ups:
            by_target.setdefault(each.follow_up.job, []).append(each)
        slots = asyncio.Semaphore(_AT_ONCE)

        async def work(group: Sequence[OwedFollowUp]) -> Exception | None:
            errors = list[Exception | None]()
            for each in group:
                async with slots:
                    errors.append(await self._trigger(each))
            return next(filter(None, errors), None)

        # All targets get their turn before the failure of one is raised, which repeats the batch.
        for error in await asyncio.gather(*map(work, by_target.values()), return_exceptions=True):
            if error is not None:
                raise error

    async def _trigger(self, each: OwedFollowUp) -> Exception | None:
        """Trigger the target, or record why not. Returns the error after which it is to be tried again.

        An error that concerns this follow-up alone stops no other one.
        """
        try:
            await self._record_refusal(each, await self._refusal(each))
        except UNAVAILABLE:
            raise
        except Exception as error:
            failed = (each.run_id, each.version, each.entry)
            self._failures[failed] += 1
            if self._failures[failed] < _TRIES:
                return error
            log.exception("follow-up failed", run_id=str(each.run_id), job=each.follow_up.job, error=error)
            await self._record_refusal(each, "internal_error")
        return None

    async def _record_refusal(self, each: OwedFollowUp, reason: str | None) -> None:
        if reason is not None:
            refusal = FollowUpRefused(
                run_id=each.run_id, version=each.version, entry=each.entry, job=each.follow_up.job, reason=reason,
                at=self._clock.now(),
            )  # fmt: skip
            await handle_job(self._pool, each.job_id, _Refuse(refusal), self._actor)

    async def _refusal(self, each: OwedFollowUp) -> str | None:
        """Why the target cannot be triggered; None if it was, or if this was refused before."""
        hands_result = each.follow_up.payload == "result" and each.outcome == "succeeded"
        async with acquire(self._pool) as db:
            if await _is_dealt_with(db, each):
                return None
            target = await _target(db, each.follow_up.job)
            links = await db.fetchval(_LINKS, each.run_id, MOST_LINKS)
            result = await db.fetchrow(_RESULT, each.run_id) if hands_result else None
        if target is None:
            return "unknown_job"
        if (links or 1) > MOST_LINKS:
            return "follow_up_depth"
        if result is not None and (result["size"] or 0) > _LARGEST_RESULT:
            return "result_too_large"
        trigger = _Trigger(each, self._context(), result and result["result"], hands_result)
        try:
            done = await handle_job(self._pool, target, trigger, self._actor)
        except JobDeletedAlready as error:
            return error.code
        except TooManyActiveRuns as error:
            return error.code
        return None if done is not None else "unknown_job"

    def _context(self) -> DecisionContext:
        """New runs have no message yet: the poll sends them, as those of the api."""
        now, later = self._clock.now(), timedelta(minutes=1)
        return DecisionContext(
            now=now, misfire=self._misfire, look_again_after=later, dispatch=0, max_active=self._max_active
        )


async def _is_dealt_with(db: Connection, of: OwedFollowUp | FollowUpRefused) -> bool:
    run_id = run_id_of_follow_up(of.run_id, of.version, of.entry)
    return bool(await db.fetchval(_IS_DEALT_WITH, str(of.run_id), of.version, of.entry, run_id))


async def _first_owed(db: Connection, records: Sequence[Any]) -> tuple[int, list[OwedFollowUp]]:
    """How many records are to be dealt with in one step, and the follow-ups of their ends."""
    defined = await _follow_ups_of(db, {_definition(record) for record in records if record["defined_in"] is not None})
    found: list[OwedFollowUp] = []
    for index, record in enumerate(records):
        if len(found) >= _FOLLOW_UPS:
            return index, found
        if record["defined_in"] is not None:
            found += owed(record, defined[_definition(record)])
    return len(records), found


def _definition(record: Any) -> tuple[str, int]:
    """The stream and the version of the event that holds the definition of the run that has ended."""
    return f"job-{record['job_id']}", record["defined_in"]


async def _follow_ups_of(
    db: Connection, definitions: Collection[tuple[str, int]]
) -> Mapping[tuple[str, int], Sequence[FollowUp]]:
    """What follows the runs of each of these definitions. Many runs of a batch have the same one."""
    records = await db.fetch(_FOLLOW_UPS_OF, *zip(*definitions, strict=True)) if definitions else []
    return {(each["stream"], each["version"]): FOLLOW_UPS.validate_python(each["follow_ups"]) for each in records}


async def _target(db: Connection, job: str) -> UUID | None:
    """The id of the job that is named by it or by its key; None for a key that no job has."""
    if job.startswith("key:"):
        key = job.removeprefix("key:")
        return (await job_ids_of_keys(db, [key])).get(key)
    return UUID(job)
