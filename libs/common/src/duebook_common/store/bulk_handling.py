"""Bulk operations: the request, the abort, and the batches by which any process executes them.

One lock per operation lets one process at a time deal with it. A batch acts, moves the cursor and counts in one
transaction: whatever is killed, each target is dealt with once, and the counts agree with the log.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from duebook_common.domain.bulk import state as bulk_state
from duebook_common.domain.bulk.decide import FAILED, abort, end, is_complete
from duebook_common.domain.bulk.events import ON_JOBS, BulkEvent, BulkRequested, stream
from duebook_common.domain.bulk.progress import BatchOutcome, Cursor, Progress, Slots, advanced, slots
from duebook_common.domain.bulk.state import BulkOperation, BulkStatus
from duebook_common.domain.errors import CommandRejected
from duebook_common.domain.run.state import Run
from duebook_common.store import wakeups
from duebook_common.store.actor import Actor
from duebook_common.store.bulk_acts import Acts, BulkLimits, act
from duebook_common.store.bulk_rows import BulkRow, load_bulk, lost_progress, put_bulk, put_progress
from duebook_common.store.bulk_targets import Target, named_targets, next_targets, phases
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import UNAVAILABLE, Connection, Pool, acquire, transaction
from duebook_common.store.eventstore import PERMANENT, Write, append
from duebook_common.store.key_handling import is_revoked
from duebook_common.store.locks import lock_bulk, try_lock_bulk

log = structlog.stdlib.get_logger("bulk")

_RUNS_AT_ONCE, _JOBS_AT_ONCE = 200, 50


async def request_bulk(pool: Pool, bulk_id: UUID, event: BulkRequested, actor: Actor) -> BulkOperation | None:
    """Open the stream of a new operation; None if it exists already."""
    bulk = bulk_state.opened(bulk_id, actor.name, event)
    async with transaction(pool) as db:
        if await append(db, [Write(stream(bulk_id), 0, [event], None, meta=actor.meta(), born=PERMANENT)]):
            return None
        await put_bulk(db, bulk)
        await put_progress(db, bulk_id, Progress())
    return bulk


async def abort_bulk(pool: Pool, bulk_id: UUID, reason: str | None, actor: Actor, now: datetime) -> BulkRow | None:
    """Stop the operation: it acts on no further target once this has returned. None if there is no such operation.

    Raises WrongStatus if it has ended by itself.
    """
    async with transaction(pool) as db:
        await lock_bulk(db, bulk_id)
        row = (await load_bulk(db, [bulk_id])).get(bulk_id)
        if row is None:
            return None
        progress = row.progress or await lost_progress(db, row.bulk)
        return BulkRow(await _record(db, row.bulk, abort(row.bulk, progress, reason, now), actor), progress)


async def _record(db: Connection, bulk: BulkOperation, events: Sequence[BulkEvent], actor: Actor) -> BulkOperation:
    if not events:
        return bulk
    if await append(db, [Write(stream(bulk.id), bulk.version, events, None, meta=actor.meta(), born=PERMANENT)]):
        raise Conflict(f"the row of bulk operation {bulk.id} is not that of its stream: run `duebook rebuild`")
    for event in events:
        bulk = bulk_state.evolve(bulk, actor.name, event)
    await put_bulk(db, bulk)
    return bulk


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch did. `goes_on_at`: when the next one may follow; None if the operation goes on no more.

    `is_busy`: another process is dealing with it. `stopping` are runs whose attempt has to stop.
    """

    dealt_with: int = 0
    goes_on_at: datetime | None = None
    is_busy: bool = False
    stopping: Sequence[UUID] = ()
    refusal: CommandRejected | None = None


class _TargetFailed(Exception):
    """A batch that begins with this target failed, for a reason that lies in a target."""

    def __init__(self, target_id: UUID) -> None:
        super().__init__(str(target_id))
        self.target_id = target_id


class _Batch(NamedTuple):
    """The next targets of an operation, and what the rate allows. `later` were left over and must wait again.

    `phase`: the phase of the search that follows, if this one has ended.
    """

    targets: Sequence[Target]
    cursor: Cursor | None
    slots: Slots
    later: Sequence[UUID] = ()
    phase: int | None = None


class BulkExecutor:
    """Executes operations batch by batch; `actor` records their ends. Any number of processes may do so."""

    def __init__(self, pool: Pool, limits: BulkLimits, actor: Actor) -> None:
        self._pool, self._limits, self._actor = pool, limits, actor

    async def step(self, bulk_id: UUID, now: datetime, *, wait: bool = False) -> Step:
        """Deal with one batch of targets; `wait` for a process that is dealing with the operation.

        A batch that fails is repeated target by target, and a target that fails by itself is counted as refused.
        Raises what UNAVAILABLE lists.
        """
        try:
            return await self._step(bulk_id, now, wait=wait)
        except UNAVAILABLE:
            raise
        except Exception as error:
            log.warning("batch failed, targets are dealt with one by one", bulk=str(bulk_id), error=error)
        for _ in range(_JOBS_AT_ONCE):
            step = await self._step_alone(bulk_id, now)
            if not step.dealt_with:
                break
        return step

    async def _step_alone(self, bulk_id: UUID, now: datetime) -> Step:
        try:
            return await self._step(bulk_id, now, most=1, wait=True)
        except UNAVAILABLE:
            raise
        except Conflict:
            return Step(goes_on_at=now)  # its runs keep changing: it is the first target of the next batch
        except _TargetFailed as failed:
            log.exception("a target of a bulk operation is left out", bulk=str(bulk_id), target=str(failed.target_id))
            return await self._step(bulk_id, now, most=1, wait=True, leave_out=failed.target_id)

    async def _step(
        self,
        bulk_id: UUID,
        now: datetime,
        *,
        most: int | None = None,
        wait: bool = False,
        leave_out: UUID | None = None,
    ) -> Step:
        async with transaction(self._pool) as db:
            if wait:
                await lock_bulk(db, bulk_id)
            elif not await try_lock_bulk(db, bulk_id):
                return Step(is_busy=True)
            row = (await load_bulk(db, [bulk_id])).get(bulk_id)
            if row is None or row.bulk.status is not BulkStatus.RUNNING:
                return Step()
            bulk, progress = row.bulk, row.progress or await lost_progress(db, row.bulk)
            if await is_revoked(db, bulk.requested_by):
                await _record(db, bulk, abort(bulk, progress, "its key was revoked", now), self._actor)
                return Step()
            batch = await _next_batch(db, bulk, progress, now, most)
            if batch is None:
                await _record(db, bulk, end(bulk, progress, now), self._actor)
                return Step()
            if not batch.targets:
                after = _searched(progress, batch)
                if after != progress:
                    await put_progress(db, bulk_id, after)
                return Step(goes_on_at=_goes_on_at(after, now))
            if leave_out is not None and batch.targets[0].id != leave_out:
                return Step(goes_on_at=now)  # another process has dealt with it meanwhile
            acts = _left_out(batch) if leave_out else await self._act(db, bulk, batch, now)
            after = advanced(progress, batch.cursor, acts.outcome, batch.slots, batch.later)
            await put_progress(db, bulk_id, after)
        await self._wake(acts.freeing)
        dealt_with = len(batch.targets) - len(acts.outcome.again)
        goes_on_at = _goes_on_at(after, now)
        return Step(dealt_with, goes_on_at, stopping=acts.stopping, refusal=acts.refusal)

    async def _act(self, db: Connection, bulk: BulkOperation, batch: _Batch, now: datetime) -> Acts:
        try:
            return await act(db, bulk, batch.targets, now, self._limits)
        except (Conflict, *UNAVAILABLE):
            raise
        except Exception as error:
            raise _TargetFailed(batch.targets[0].id) from error

    async def _wake(self, freeing: Sequence[Run]) -> None:
        if freeing:
            async with acquire(self._pool) as db:
                await wakeups.wake_waiting(db, _of_slots(freeing))


def _searched(progress: Progress, batch: _Batch) -> Progress:
    """The progress after a look that found no target, or was too early."""
    phase = progress.phase if batch.phase is None else batch.phase
    next_at = None if progress.next_at is None else min(progress.next_at, batch.slots.first)
    return replace(progress, phase=phase, cursor=batch.cursor, next_at=next_at)


def _of_slots(freeing: Sequence[Run]) -> list[Run]:
    """The runs that may have held a slot of their key, and of those that never did one for each key or job.

    Each wakes some waiting runs: those that are to be cancelled next must not all be woken before.
    """
    waited = {run.concurrency or run.job_id: run for run in freeing if run.dispatched_at is None}
    return [*(run for run in freeing if run.dispatched_at is not None), *waited.values()]


def _goes_on_at(progress: Progress, now: datetime) -> datetime:
    """When the rate allows the next batch."""
    return now if progress.next_at is None else max(now, progress.next_at)


async def _next_batch(
    db: Connection, bulk: BulkOperation, progress: Progress, now: datetime, most: int | None
) -> _Batch | None:
    """The next targets, none if the rate allows none yet; None if there are no more."""
    if is_complete(bulk, progress):
        return None
    at_once = most or (_JOBS_AT_ONCE if bulk.action in ON_JOBS else _RUNS_AT_ONCE)
    allowed = slots(bulk, progress, now, at_once)
    if allowed.size <= 0:
        return _Batch([], progress.cursor, allowed)
    first, later = progress.again[: allowed.size], progress.again[allowed.size :]
    again = await named_targets(db, bulk.action, first)
    wanted = allowed.size - len(again)
    if wanted == 0:
        return _Batch(again, progress.cursor, allowed, later)
    new, searched_to = await next_targets(db, bulk.action, bulk.filter, bulk.requested_at, progress, wanted)
    if not again and not new and searched_to is None:
        is_last = progress.phase + 1 == len(phases(bulk.action, bulk.filter))
        return None if is_last else _Batch([], None, allowed, phase=progress.phase + 1)
    cursor = searched_to or (new[-1].cursor if new else progress.cursor)
    return _Batch([*again, *new], cursor, allowed, later)


def _left_out(batch: _Batch) -> Acts:
    return Acts(BatchOutcome(0, Counter({FAILED: len(batch.targets)})))
