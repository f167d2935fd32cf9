"""What a run needs once its `wake_at` has passed. Pure: the `Waker` loads the runs and executes the actions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from duebook_common.domain.queue.state import Pauses
from duebook_common.domain.run.decide import expired
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.queue_wakeups import LONGEST_WAIT_FOR_RESUME
from duebook_scheduler.due_runs import DueRun

# A run with dispatch number 0 needs none: its status is `dispatched`, so `DispatchWindow` counts it already.
NEEDS_CAPACITY = frozenset({RunStatus.RETRYING, RunStatus.WAITING})
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(seconds=1), timedelta(hours=1)
_HELD_WAIT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Postpone:
    """Nothing to do yet: look at the run again at `until` (UTC)."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Bury:
    """Send a message that its receiver rejects, so that the dead letter reaches its queue in RabbitMQ."""


@dataclass(frozen=True, slots=True)
class Admit:
    """Decide under the locks of job and concurrency key whether the waiting run may be sent."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Decide by the run alone: the attempt is lost, or the run is sent again, expired or cancelled."""


Action = Postpone | Bury | Admit | Wake


@dataclass(frozen=True, slots=True)
class WakeContext:
    """The circumstances in which due runs are classified.

    Before `leases_trusted_at` (UTC) an expired lease proves nothing. `capacity` is how many more runs each queue may
    have dispatched. `lost` are the dispatched runs whose message is taken for lost.
    """

    now: datetime
    leases_trusted_at: datetime
    capacity: Mapping[str, int]
    lost: frozenset[UUID]
    pauses: Pauses = field(default_factory=Pauses)


def classify(due: DueRun, context: WakeContext, chance: float) -> Action:
    """What a due run needs. `chance`, from 0 to 1, spreads the runs that wait for capacity over some seconds."""
    run, now = due.run, context.now
    if run.status is RunStatus.DEAD_LETTERED:
        return Bury()
    if run.status is RunStatus.RUNNING:
        return _classify_running(due, context)
    if run.held and not due.job_deleted and not expired(run, now):
        return Postpone(_next_look_at_held(run, now))
    if not due.job_deleted and not expired(run, now) and context.pauses.going_on(run.queue) is not None:
        return Postpone(_next_look_at_paused(run, now)) if run.status is RunStatus.WAITING else Wake()
    if run.status in NEEDS_CAPACITY and not due.job_deleted and context.capacity[run.queue] <= 0:
        return Postpone(now + timedelta(seconds=1 + 9 * chance))
    if may_be_lost(due, now) and run.id not in context.lost:
        return Postpone(_next_look_at_sent(run, now))
    return Admit() if run.status is RunStatus.WAITING else Wake()


def _classify_running(due: DueRun, context: WakeContext) -> Action:
    if due.lease_until is not None and due.lease_until > context.now:
        return Postpone(due.lease_until)
    if context.now < context.leases_trusted_at:
        return Postpone(context.leases_trusted_at)
    return Wake()


def _next_look_at_held(run: Run, now: datetime) -> datetime:
    """The resume wakes it, so this only has to find its deadline."""
    return _by_deadline(run, now + _HELD_WAIT)


def _next_look_at_paused(run: Run, now: datetime) -> datetime:
    """The resume of its queue wakes it, so this only has to find its deadline. A long pause costs ever less."""
    waited = max(now - (run.dispatched_at or run.created_at), _SHORTEST_WAIT)
    return _by_deadline(run, now + min(waited, LONGEST_WAIT_FOR_RESUME))


def may_be_lost(due: DueRun, now: datetime) -> bool:
    """Whether the run only waits for its message: it is sent again if that message is taken for lost."""
    sent = due.run.status is RunStatus.DISPATCHED and due.run.dispatch > 0
    return sent and not due.job_deleted and not expired(due.run, now)


def _next_look_at_sent(run: Run, now: datetime) -> datetime:
    """After as long as the message has been queued already, so that watching a long queue costs ever less."""
    queued = now - run.dispatched_at if run.dispatched_at is not None else _SHORTEST_WAIT
    return _by_deadline(run, now + min(max(queued, _SHORTEST_WAIT), _LONGEST_WAIT))


def _by_deadline(run: Run, time: datetime) -> datetime:
    """The time, or the deadline for the run's first start if that is earlier."""
    return min(time, run.start_by) if run.start_by is not None and run.attempt == 0 else time
