"""Catch-up beside overlap: a caught-up run never leaves out an occurrence, and no occurrence cancels it.

The policy `all` works off a backlog: the caught-up runs, and the occurrences that fell due meanwhile and joined it.
After a pause of its queue every job does, whatever its policies: with the occurrences that the pause kept back.
"""

from collections.abc import Sequence
from datetime import datetime

from duebook_common.domain.definition import Definition, Overlap
from duebook_common.domain.job.overlap import ActiveRuns, OverlapDecision, apply_overlap
from duebook_common.domain.run.events import RunFact, Trigger
from duebook_common.domain.run.state import Run, RunStatus


def joins_backlog(definition: Definition, others: ActiveRuns) -> bool:
    """Whether an occurrence on time joins the end of the backlog that the policy `all`, or a pause, works off.

    It does while a run is being caught up, or a run that a pause kept back is active. Once all have ended, the
    occurrences that joined are late because of the backlog, so the next one still joins: one during each of their runs.
    A second one shows that the task is slower than its schedule, and the overlap policy applies, so that the backlog
    does not grow for ever.
    """
    if definition.overlap is Overlap.ALLOW_ALL:
        return False
    backlog = others.backlog
    if definition.catch_up.policy != "all":
        backlog = [run for run in backlog if run.in_backlog_since is not None]
    if any(run.trigger is Trigger.CATCH_UP or run.fell_into_pause for run in backlog):
        return True
    sent = [run.dispatched_at for run in backlog if run.status is not RunStatus.WAITING and run.dispatched_at]
    waiting = [run.due_at for run in backlog if not run.admitted]
    return bool(backlog) and not (sent and waiting and max(waiting) > max(sent))


def apply_beside_caught_up(
    overlap: Overlap, blocking: Sequence[Run], now: datetime, reason: str
) -> tuple[OverlapDecision, list[RunFact]]:
    """The decision about an occurrence: the policy applies beside ordinary runs, and caught-up runs are waited for."""
    caught_up = [run for run in blocking if run.trigger is Trigger.CATCH_UP]
    if not caught_up or overlap is Overlap.ALLOW_ALL:
        return apply_overlap(overlap, blocking, now, reason)
    ordinary = [run for run in blocking if run.trigger is not Trigger.CATCH_UP]
    decision, facts = apply_overlap(overlap, ordinary, now, reason)
    return (OverlapDecision.WAIT_FOR_CAUGHT_UP if decision is OverlapDecision.START else decision), facts
