"""What the dispatcher decides about a batch of locked jobs. Pure, but for the limit of its time."""

import time
from collections.abc import Container, Sequence
from dataclasses import replace

from duebook_common.domain.job.commands import DecisionContext, Dispatch
from duebook_common.domain.queue.state import Pauses
from duebook_common.store.executors import QueueTask
from duebook_common.store.job_plan import JobResult, LockedJob, decide_locked

_DECIDING_SECONDS, _MOST_FACTS = 0.05, 1_000  # limits of one batch; the jobs beyond them stay due


def queue_task(job: LockedJob) -> QueueTask:
    return job.job.definition.queue, job.job.definition.task


def context_of(
    job: LockedJob, context: DecisionContext, pauses: Pauses, served: Container[QueueTask]
) -> DecisionContext:
    """The context of one job: whether its task has an executor, and the pauses of its queue."""
    of_queue, has_executor = pauses.of(job.job.definition.queue), queue_task(job) in served
    if has_executor and not of_queue:
        return context
    return replace(context, has_executor=has_executor, pauses=of_queue)


def decide_within_limits(jobs: Sequence[LockedJob], commands: Sequence[Dispatch]) -> list[JobResult[Dispatch]]:
    """Decide one job after the other until a limit of time or of facts is reached, so that one pass stays short."""
    results: list[JobResult[Dispatch]] = []
    facts, until = 0, time.monotonic() + _DECIDING_SECONDS
    for job, command in zip(jobs, commands, strict=True):
        if facts >= _MOST_FACTS or time.monotonic() > until:
            break
        result = decide_locked(job, command)
        facts += len(result.facts)
        results.append(result)
    return results


def is_blocked(result: JobResult[Dispatch]) -> bool:
    """Whether the job is due, but its catch-up has to wait until some of its runs have ended."""
    wake_at = result.job.wake_at
    return not result.facts and wake_at is not None and wake_at <= result.command.context.now
