"""An hour-long pause of a queue, for jobs of every catch-up and overlap policy: nothing is missed because of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from duebook_common.domain.definition import CatchUp, Every, Overlap
from duebook_common.domain.job.commands import DecisionContext, PauseJob
from duebook_common.domain.job.events import JobEvent, OccurrencesSkipped
from duebook_common.domain.job.lateness import lateness
from duebook_common.domain.job.ledger import RunOutcome, Totals, entries, run_ids, totals, with_runs
from duebook_common.domain.job.occurrence import account
from duebook_common.domain.job.overlap import ActiveRuns
from duebook_common.domain.job.schedule_history import schedule_periods
from duebook_common.domain.queue.events import INSTALLATION
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.events import FirstEvent, RunFact, Trigger
from duebook_common.domain.run.state import QUEUE_PAUSED, Run, RunStatus
from support.lives import Life, new_life
from support.samples import HOUR, MINUTE, NOW, SECOND, a_definition, a_job, context

POLICIES = [(policy, overlap) for policy in ("latest", "all", "none") for overlap in Overlap]
STEP = 20 * SECOND


def pause(since: datetime, until: datetime | None = None, name: str = "default") -> Pause:
    return Pause(name, 1, since, "the provider is down", "key:ops", until)


class PausedLife(Life):
    """A life whose queue may be paused: then nothing is dispatched or started, and running attempts end."""

    pauses: Sequence[Pause] = ()

    @property
    def paused(self) -> bool:
        return any(each.going_on for each in self.pauses)

    def context(self, dispatch: int = 0) -> DecisionContext:
        return replace(super().context(dispatch), pauses=self.pauses)

    def stop(self) -> None:
        self.pauses = [*self.pauses, pause(self.now)]

    def go_on(self) -> None:
        self.pauses = [*self.pauses[:-1], replace(self.pauses[-1], until=self.now)]

    def live(self, time: timedelta, task: timedelta, step: timedelta = STEP) -> None:
        """The services run for so long, with a task that takes `task`, and poll at each `step`."""
        until = self.now + time
        while self.now < until:
            self.wait(step)
            if self.paused:
                for run in self.active:
                    if run.status is RunStatus.RUNNING:
                        self._work_on(run, task)
            else:
                self.poll()
                self.work(task)

    def started(self) -> list[Run]:
        """The runs that started, in the order of their starts."""
        return sorted(
            (run for run in self.runs.values() if run.started_at), key=lambda run: (run.started_at, run.due_at)
        )


def paused_life(policy: str, overlap: Overlap, every: timedelta = 5 * MINUTE) -> PausedLife:
    definition = a_definition(recurrence=Every(every), catch_up=CatchUp(policy), overlap=overlap)  # type: ignore[arg-type]
    life = new_life(definition, NOW)
    life.__class__ = PausedLife
    assert isinstance(life, PausedLife)
    return life


@pytest.mark.parametrize(("policy", "overlap"), POLICIES)
def test_nothing_is_missed_or_skipped_because_of_an_hour_long_pause(policy: str, overlap: Overlap) -> None:
    life = paused_life(policy, overlap)
    life.live(12 * MINUTE, 40 * SECOND)
    life.stop()
    life.live(HOUR, 40 * SECOND)
    paused_from, resumed_at = life.pauses[0].since, life.now
    assert all(run.due_at < paused_from for run in life.runs.values())
    life.go_on()
    life.live(HOUR, 40 * SECOND)
    assert [run.nominal_at for run in life.started()] == life.expected
    assert {run.trigger for run in life.runs.values()} == {Trigger.SCHEDULE}
    assert {run.status for run in life.runs.values()} == {RunStatus.SUCCEEDED}
    assert not life.skipped
    kept = [run for run in life.runs.values() if paused_from <= run.due_at < resumed_at]
    assert len(kept) == 12
    assert {(run.resumed_at, run.fell_into_pause) for run in kept} == {(resumed_at, True)}
    if overlap is not Overlap.ALLOW_ALL:
        spans = [(run.started_at, run.finished_at) for run in life.started()]
        assert all(end <= start for (_, end), (start, _) in pairwise(spans) if end and start)


@pytest.mark.parametrize(("policy", "overlap"), POLICIES)
def test_the_ledger_accounts_for_each_time_of_a_pause(policy: str, overlap: Overlap) -> None:
    life = paused_life(policy, overlap)
    life.live(12 * MINUTE, 40 * SECOND)
    life.stop()
    life.live(HOUR, 40 * SECOND)
    assert (counts := ledger_totals(life)).unaccounted == 0
    assert counts.due == 12
    life.go_on()
    life.live(HOUR, 40 * SECOND)
    assert ledger_totals(life)[1:] == (27, 0, 0)


def ledger_totals(life: Life) -> Totals:
    history: list[Any] = [each.event if isinstance(each, RunFact) else each for each in life.history]
    moving = [event for event in history if isinstance(event, JobEvent | FirstEvent)]
    found = entries(life.job, schedule_periods(moving), NOW, life.now)
    runs = {run.id: RunOutcome(run.status, run.reason) for run in life.runs.values()}
    return totals(with_runs(found, run_ids(life.job.id, found), runs))


@pytest.mark.parametrize(("policy", "overlap"), POLICIES)
def test_a_pause_that_a_scheduler_did_not_see_misses_nothing_either(policy: str, overlap: Overlap) -> None:
    life = paused_life(policy, overlap)
    life.live(12 * MINUTE, SECOND)
    life.wait(30 * SECOND)  # no scheduler runs from here on
    life.stop()
    life.wait(HOUR)
    life.go_on()
    life.wait(2 * MINUTE + 10 * SECOND)  # more than the misfire after the resume
    life.live(30 * MINUTE, SECOND)
    assert [run.nominal_at for run in life.started()] == life.expected
    assert not life.skipped


@pytest.mark.parametrize("policy", ["latest", "all", "none"])
def test_what_was_missed_before_the_pause_stays_missed(policy: str) -> None:
    life = paused_life(policy, Overlap.SKIP)
    life.live(2 * MINUTE, SECOND)
    life.wait(18 * MINUTE)  # no scheduler runs: 5, 10 and 15 minutes are missed, 20 minutes is due
    life.stop()
    life.wait(21 * MINUTE)
    life.go_on()
    life.live(4 * MINUTE, SECOND)
    minutes = {(run.nominal_at - NOW) // MINUTE: run.trigger for run in life.runs.values()}
    kept = dict.fromkeys((20, 25, 30, 35, 40, 45), Trigger.SCHEDULE)
    missed = dict.fromkeys((5, 10, 15), Trigger.CATCH_UP) if policy == "all" else {}
    assert minutes == {0: Trigger.SCHEDULE} | missed | kept
    assert set(life.skipped.values()) == (set() if policy == "all" else {"missed"})


@pytest.mark.parametrize("policy", ["latest", "all", "none"])
def test_what_is_missed_after_the_resume_is_decided_by_the_catch_up_policy(policy: str) -> None:
    life = paused_life(policy, Overlap.SKIP)
    life.live(2 * MINUTE, SECOND)
    life.stop()
    life.wait(10 * MINUTE)
    life.go_on()
    life.wait(17 * MINUTE)  # no scheduler: 15, 20 and 25 minutes are missed
    life.live(3 * MINUTE, SECOND)
    minutes = {(run.nominal_at - NOW) // MINUTE: run.trigger for run in life.runs.values()}
    wanted = {"all": (15, 20, 25), "latest": (25,), "none": ()}[policy]
    kept = dict.fromkeys((0, 5, 10, 30), Trigger.SCHEDULE)
    assert minutes == kept | dict.fromkeys(wanted, Trigger.CATCH_UP)


@pytest.mark.parametrize(("policy", "overlap"), [("none", each) for each in Overlap] + [("latest", Overlap.SKIP)])
def test_a_long_backlog_is_worked_off_a_hundred_runs_at_a_time(policy: str, overlap: Overlap) -> None:
    life = paused_life(policy, overlap, every=10 * SECOND)
    life.stop()
    life.live(25 * MINUTE, SECOND)
    life.go_on()
    most = 0
    while len(life.started()) < len(life.expected):
        assert life.now < NOW + 2 * HOUR
        life.live(MINUTE, SECOND, 5 * SECOND)
        most = max(most, len(life.active))
    assert most <= 101
    assert [run.nominal_at for run in life.started()] == life.expected
    assert not life.skipped


def test_a_backlog_whose_runs_all_end_between_two_looks_misses_nothing() -> None:
    life = paused_life("none", Overlap.ALLOW_ALL, every=10 * SECOND)
    life.stop()
    life.wait(25 * MINUTE)
    life.go_on()
    for _ in range(9):
        life.poll()
        life.end(RunStatus.SUCCEEDED)
        if len(life.runs) == len(life.expected):
            break
        life.wait(90 * SECOND)
    assert len(life.runs) == len(life.expected)
    assert not life.skipped
    assert life.job.backlog_since is None
    life.wait(5 * MINUTE)  # no scheduler
    life.poll()
    assert set(life.skipped.values()) == {"missed"}


def test_a_pause_of_the_job_ends_the_backlog() -> None:
    life = paused_life("none", Overlap.ALLOW_ALL, every=10 * SECOND)
    life.stop()
    life.wait(25 * MINUTE)
    life.go_on()
    life.poll()
    assert life.job.backlog_since == life.now
    life.pause()
    assert life.job.backlog_since is None


def test_a_slow_task_does_not_let_the_backlog_grow_for_ever() -> None:
    life = paused_life("latest", Overlap.SKIP, every=MINUTE)
    life.stop()
    life.live(10 * MINUTE, 90 * SECOND)
    life.go_on()
    life.live(HOUR, 90 * SECOND)
    active = len(life.active)
    life.live(HOUR, 90 * SECOND)
    assert len(life.active) <= active
    assert {run.reason for run in life.runs.values() if run.status is RunStatus.SKIPPED} == {"overlap"}


def test_a_deadline_holds_in_a_pause() -> None:
    life = paused_life("all", Overlap.SKIP)
    life.job = replace(life.job, definition=replace(life.job.definition, start_within=7 * MINUTE))
    life.live(MINUTE, SECOND)
    life.stop()
    life.live(19 * MINUTE, SECOND)
    life.go_on()
    life.live(MINUTE, SECOND)
    states = {(run.nominal_at - NOW) // MINUTE: (run.status, run.reason) for run in life.runs.values()}
    assert states[5] == states[10] == (RunStatus.SKIPPED, "deadline")
    assert states[15] == (RunStatus.SUCCEEDED, None)


def test_a_command_of_a_client_lets_what_is_due_wait_for_the_resume() -> None:
    life = paused_life("none", Overlap.SKIP)
    life.live(MINUTE, SECOND)
    life.stop()
    life.live(14 * MINUTE, SECOND)
    life.do(PauseJob("later", life.context()))
    waiting = [run for run in life.runs.values() if run.status is RunStatus.WAITING]
    assert [(run.reason, run.fell_into_pause) for run in waiting] == [
        (QUEUE_PAUSED, True),
        ("overlap", True),
        ("overlap", True),
    ]
    assert not [event for event in life.own if isinstance(event, OccurrencesSkipped)]


@pytest.mark.parametrize("names", [("default", INSTALLATION), (INSTALLATION, "default")])
def test_pauses_that_overlap_count_as_one(names: tuple[str, str]) -> None:
    pauses = [pause(NOW, NOW + 2 * HOUR, names[0]), pause(NOW + HOUR, NOW + 3 * HOUR, names[1])]
    late = lateness(a_job(), ActiveRuns([]), context(NOW + 3 * HOUR + 2 * MINUTE, pauses=pauses), 100)
    assert late.resumed_at(NOW) is not None
    assert late.resumed_at(NOW + 90 * MINUTE) is not None
    assert late.resumed_at(NOW + 3 * HOUR) is None
    assert late.is_missed(NOW - 2 * MINUTE)
    assert not late.is_missed(NOW - MINUTE)
    assert late.is_missed(NOW + 3 * HOUR)


def test_what_was_past_when_the_job_was_created_is_not_kept_back() -> None:
    job = a_job(NOW, scheduled_at=NOW - HOUR, recurrence=Every(10 * MINUTE))
    pauses = [pause(NOW - 2 * HOUR, NOW + 10 * MINUTE)]
    facts = account(job, [], context(NOW + 10 * MINUTE, pauses=pauses))
    runs = [fact.event.nominal_at for fact in facts if isinstance(fact, RunFact) and isinstance(fact.event, FirstEvent)]
    assert runs == [NOW, NOW + 10 * MINUTE]
