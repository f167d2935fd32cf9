"""What a delivery of a run's message means, by the state of the run. Pure, as the decisions about runs are."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from duebook_common.domain.run.decide import expired
from duebook_common.domain.run.state import ENDED, Run, RunStatus


class DeliveryClass(StrEnum):
    """What a delivery on `duebook.runs` means for its run."""

    START = "start"
    QUEUE_PAUSED = "queue_paused"  # the run waits for the resume of its queue
    UNKNOWN_TASK = "unknown_task"  # this executor does not have the run's task
    EXPIRED = "expired"  # `start_within` has passed: skip the run
    STALE = "stale"  # the run has ended, waits for a retry, is held, or was dispatched again
    RATE_EXCEEDED = "rate_exceeded"  # its key has had as many starts as the run's rate allows
    RUNNING = "running"  # an attempt is running already
    BURY = "bury"  # this dispatch was dead-lettered: reject it, so that it reaches the dead-letter queue
    REDRIVE = "redrive"  # an operator moved the message back from the dead-letter queue


def classify_delivery(
    run: Run | None,
    dispatch: int,
    now: datetime,
    has_task: Callable[[str], bool],
    *,
    from_dead_letters: bool,
    queue_paused: bool = False,
) -> DeliveryClass:
    """Classify a delivery that carries `dispatch`; `has_task` says whether the executor has a task."""
    if run is None or run.status in ENDED or run.dispatch != dispatch:
        return DeliveryClass.STALE
    if run.status is RunStatus.DEAD_LETTERED:
        return DeliveryClass.REDRIVE if from_dead_letters else DeliveryClass.BURY
    if run.status is RunStatus.RUNNING:
        return DeliveryClass.RUNNING
    if run.status is not RunStatus.DISPATCHED:
        return DeliveryClass.STALE
    if expired(run, now):
        return DeliveryClass.EXPIRED
    if queue_paused:
        return DeliveryClass.QUEUE_PAUSED
    return DeliveryClass.START if has_task(run.task) else DeliveryClass.UNKNOWN_TASK
