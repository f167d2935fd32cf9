"""One sentence about a run: the headline says what happened, and what follows it says why."""

from duebook_common.domain.run.losses import EXECUTOR_ENDED, LOST
from duebook_common.domain.run.state import Run
from duebook_common.runtime.phrases import duration, quantity
from duebook_notifier.phrases import isolated, one_line, quoted

_LONGEST_REASON = 100  # characters
_LOSSES = {EXECUTOR_ENDED: "ended during the attempt", LOST: "was silent for longer than its lease"}
_WHY_SKIPPED = {
    "overlap": "another run of the job was active",
    "deadline": "no attempt had started when its start_within was over",
    "max_active_runs": "the job had as many active runs as DUEBOOK_MAX_ACTIVE_RUNS allows",
}


def headline(run: Run, outcome: str) -> str:
    """What happened; also the subject of the mail."""
    name = isolated(one_line(run.job_name))
    match outcome:
        case "dead_lettered":
            return f"{name} was given up after {run.attempt} attempt{'' if run.attempt == 1 else 's'}"
        case "failed":
            return f"{name} failed in attempt {run.attempt} and will be retried"
        case "succeeded":
            return f"{name} succeeded"
        case _:
            reason = f" ({run.reason})" if run.reason and run.reason.isprintable() else ""
            return f"{name} was {outcome.replace('_', ' ')}{reason[:_LONGEST_REASON]}"


def why(run: Run, outcome: str) -> str:
    """The end of the sentence that the headline begins."""
    match outcome:
        case "dead_lettered":
            return _error(run, "the last error" if run.failures > 1 else "the error")
        case "failed":
            return _error(run, "the error")
        case "succeeded":
            return _after(run)
        case "skipped" if run.reason in _WHY_SKIPPED:
            return f": {_WHY_SKIPPED[run.reason]}."
        case "cancelled":
            return f" after attempt {run.attempt} had started." if run.attempt else " before an attempt started."
        case _:
            return "."


def _error(run: Run, which: str) -> str:
    if not run.error:
        return "."
    if cause := _LOSSES.get(run.error):
        executor = one_line((run.executor or "").removeprefix("executor "))
        return f": its executor {isolated(executor)} {cause}."
    ruled_out = ", and the task ruled out a retry" if is_final(run) else ""
    return f": {which} was {quoted(run.error)}{ruled_out}."


def is_final(run: Run) -> bool:
    """Whether the task itself ruled out a retry."""
    return not run.active and 0 < run.failures < run.max_attempts


def _after(run: Run) -> str:
    in_attempt = f" in attempt {run.attempt}" if run.attempt > 1 else ""
    if run.started_at is None or run.finished_at is None:
        return f"{in_attempt}."
    failures = f", after {quantity(run.failures, 'failure')}" if run.failures else ""
    return f"{in_attempt} within {duration(run.finished_at - run.started_at)}{failures}."
