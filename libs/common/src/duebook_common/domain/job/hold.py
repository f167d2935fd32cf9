"""Holding the runs of a paused job: no attempt starts until the job is resumed."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from duebook_common.domain.job.events import Fact
from duebook_common.domain.job.overlap import ActiveRuns
from duebook_common.domain.run.commands import HoldRun, ResumeRun
from duebook_common.domain.run.decide import decide
from duebook_common.domain.run.events import RunFact
from duebook_common.domain.run.state import Run


def active_after(active: Iterable[Run], decided: Iterable[Fact]) -> list[Run]:
    """The active runs of a job after a decision about it."""
    runs = ActiveRuns(active)
    runs.apply(fact for fact in decided if isinstance(fact, RunFact))
    return runs.all


def hold_runs(active: Sequence[Run], now: datetime) -> list[RunFact]:
    return [RunFact(run.id, event) for run in active for event in decide(run, HoldRun(now))]


def resume_runs(active: Sequence[Run], now: datetime) -> list[RunFact]:
    return [RunFact(run.id, event) for run in active for event in decide(run, ResumeRun(now))]
