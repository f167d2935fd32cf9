"""Explains an archived run by its ledger line: what became of it is known, the steps are in the archive."""

from duebook_api.schemas.phrases import event_time, ordinal, with_reason
from duebook_api.why.facts import Cause, ExplainedRun, Explanation
from duebook_common.domain.run.state import Run, RunStatus


def explain(run: Run, period: str, zone: str) -> ExplainedRun:
    """The outcome in one sentence, which says that it comes from the ledger. Times are of `zone`."""
    source = f"This is what its ledger line says; its events are in the archive {period}."
    causes = [Cause(f"It was decided at {event_time(run.created_at, zone)}.", run.created_at)]
    if run.started_at is not None:
        causes.append(Cause(f"Its {ordinal(run.attempt)} attempt started.", run.started_at))
    causes.append(Cause(source))
    return ExplainedRun(run=run, explanation=Explanation(f"{_answer(run, zone)} {source}", causes))


def _answer(run: Run, zone: str) -> str:
    at = f" at {event_time(run.finished_at, zone)}" if run.finished_at is not None else ""
    match run.status:
        case RunStatus.SUCCEEDED:
            return f"It ran and succeeded{at} in its {ordinal(run.attempt)} attempt."
        case RunStatus.SKIPPED:
            return f"It did not run{with_reason(run.reason)}."
        case RunStatus.CANCELLED:
            return f"It was cancelled{at}{with_reason(run.reason)}."
        case _:
            return f"It failed, and was discarded{at}{with_reason(run.reason)}."
