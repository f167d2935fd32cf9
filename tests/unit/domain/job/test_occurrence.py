"""Each due nominal time is accounted for by one run, one skipped run, or one range of skips."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from time import process_time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duebook_common.domain.definition import CatchUp, Definition, Dst, Every, Notify, Overlap
from duebook_common.domain.job.commands import ChangeJob, DecisionContext, PauseJob, ResumeJob
from duebook_common.domain.job.decide import decide
from duebook_common.domain.job.events import Fact, JobFinished, OccurrencesSkipped
from duebook_common.domain.job.occurrence import account, skip_due
from duebook_common.domain.job.state import Job, JobStatus, job_after
from duebook_common.domain.run.events import (
    FirstEvent,
    Identity,
    RunBuffered,
    RunDispatched,
    RunFact,
    RunSkipped,
    Trigger,
    run_id_at,
)
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.domain.schedule.nominal import nominal_times
from support.samples import DAY, HOUR, JOB_ID, MINUTE, NOW, SECOND, a_definition, a_job, a_run, context


def summary(decided: Sequence[Fact]) -> list[str]:
    """One line for each fact."""
    return [_short(fact.event if isinstance(fact, RunFact) else fact) for fact in decided]


def _short(event: object) -> str:
    match event:
        case RunDispatched():
            return f"{event.trigger} {_ago(event.nominal_at)}"
        case RunSkipped():
            return f"skipped {_ago(event.nominal_at)}: {event.reason}"
        case OccurrencesSkipped():
            return f"{event.count} skipped {_ago(event.first)} to {_ago(event.last)}: {event.reason}"
        case _:
            return "finished"


def _ago(time: datetime) -> str:
    return f"{(NOW - time) / HOUR:g} h ago"


def daily(hours_ago: float, **fields: Any) -> Job:
    return a_job(**{"scheduled_at": NOW - hours_ago * HOUR, "recurrence": "daily", **fields})


# On time, missed, caught up


def test_a_one_off_that_is_due_runs_and_finishes_its_job() -> None:
    assert summary(account(a_job(), [], context())) == ["schedule 0 h ago", "finished"]


def test_nothing_is_decided_before_the_next_time() -> None:
    assert account(a_job(scheduled_at=NOW + timedelta(microseconds=1)), [], context()) == []
    finished = job_after(a_job(), account(a_job(), [], context()))
    assert account(finished, [], context(NOW + DAY)) == []


def test_a_missed_one_off_is_caught_up() -> None:
    job = a_job(scheduled_at=NOW - 3 * HOUR)
    assert summary(account(job, [], context())) == ["catch_up 3 h ago", "finished"]


def test_an_occurrence_is_missed_once_misfire_has_passed() -> None:
    job = a_job(scheduled_at=NOW - MINUTE)
    assert summary(account(job, [], context())) == ["schedule 0.0166667 h ago", "finished"]
    assert summary(account(job, [], context(NOW + timedelta(microseconds=1))))[0].startswith("catch_up")


def test_after_a_downtime_the_newest_missed_occurrence_runs() -> None:
    job = daily(73)
    assert summary(account(job, [], context())) == ["3 skipped 73 h ago to 25 h ago: missed", "catch_up 1 h ago"]
    assert job_after(job, account(job, [], context())).next_at == NOW + 23 * HOUR


def test_nothing_is_caught_up_by_the_policy_none() -> None:
    job = daily(73, catch_up=CatchUp("none"))
    assert summary(account(job, [], context())) == ["4 skipped 73 h ago to 1 h ago: missed"]
    on_time = daily(72, catch_up=CatchUp("none"))
    assert summary(account(on_time, [], context())) == ["3 skipped 72 h ago to 24 h ago: missed", "schedule 0 h ago"]


def test_a_long_downtime_is_skipped_as_one_range_in_short_time() -> None:
    """Thirty days of a job of every other second are 1,296,000 times."""
    first = NOW - 30 * DAY
    job = a_job(scheduled_at=first, recurrence=Every(2 * SECOND))
    began = process_time()
    decided = account(job, [], context())
    assert process_time() - began < 0.05
    skipped, *on_time = [fact.event if isinstance(fact, RunFact) else fact for fact in decided]
    assert isinstance(skipped, OccurrencesSkipped)
    assert (skipped.first, skipped.count, skipped.reason) == (first, (30 * DAY - MINUTE) // (2 * SECOND), "missed")
    assert len(on_time) == 31
    assert job_after(job, decided).next_at == NOW + 2 * SECOND


def test_the_policy_all_pauses_at_a_hundred_active_runs() -> None:
    job = a_job(scheduled_at=NOW - 3 * DAY, recurrence=Every(2 * SECOND), catch_up=CatchUp("all", 2 * DAY))
    window, *begun = account(job, [], context())
    assert isinstance(window, OccurrencesSkipped)
    assert (window.count, window.reason) == (DAY // (2 * SECOND), "window")
    assert len(begun) == 100
    later = job_after(job, [window, *begun])
    assert account(later, [running(n) for n in range(100)], context()) == []
    assert len(account(later, [running(n) for n in range(60)], context())) == 40


def test_an_occurrence_older_than_the_window_is_not_caught_up() -> None:
    job = daily(73, catch_up=CatchUp(window=30 * MINUTE))
    assert summary(account(job, [], context())) == ["4 skipped 73 h ago to 1 h ago: window"]
    just = daily(73, catch_up=CatchUp(window=HOUR))
    assert summary(account(just, [], context()))[-1] == "catch_up 1 h ago"


def test_a_missed_one_off_beyond_the_window_finishes_without_a_run() -> None:
    job = a_job(scheduled_at=NOW - 2 * DAY, catch_up=CatchUp(window=DAY))
    assert summary(account(job, [], context())) == ["1 skipped 48 h ago to 48 h ago: window", "finished"]


def test_the_last_occurrence_of_a_series_finishes_its_job() -> None:
    job = daily(24, ends_at=NOW)
    assert summary(account(job, [], context(misfire=2 * DAY, now=NOW)))[-1] == "finished"
    longer = daily(24, ends_at=NOW + DAY)
    assert "finished" not in summary(account(longer, [], context()))


# Overlap


def test_the_overlap_policy_applies_beside_an_active_run() -> None:
    assert summary(account(a_job(), [a_run()], context())) == ["skipped 0 h ago: overlap", "finished"]
    assert summary(account(a_job(overlap=Overlap.ALLOW_ALL), [a_run()], context())) == ["schedule 0 h ago", "finished"]


def test_of_several_due_occurrences_the_overlap_policy_skip_runs_the_first() -> None:
    job = daily(48)
    long_misfire = context(misfire=3 * DAY)
    assert summary(account(job, [], long_misfire)) == [
        "schedule 48 h ago", "skipped 24 h ago: overlap", "skipped 0 h ago: overlap",
    ]  # fmt: skip
    allowing = replace(job, definition=replace(job.definition, overlap=Overlap.ALLOW_ALL))
    assert summary(account(allowing, [a_run()], long_misfire)) == [
        "schedule 48 h ago",
        "schedule 24 h ago",
        "schedule 0 h ago",
    ]


@pytest.mark.parametrize("window", [365 * DAY, HOUR])
@pytest.mark.parametrize("jitter", [None, MINUTE])
@pytest.mark.parametrize("overlap", Overlap)
def test_by_latest_an_occurrence_on_time_makes_the_missed_ones_missed(
    overlap: Overlap, jitter: timedelta | None, window: timedelta
) -> None:
    job = daily(48, overlap=overlap, jitter=jitter, catch_up=CatchUp("latest", window))
    decided = account(job, [], context(NOW + 30 * SECOND, misfire=2 * MINUTE, dispatch=0))
    assert summary(decided) == ["2 skipped 48 h ago to 24 h ago: missed", "schedule 0 h ago"]


def test_an_occurrence_on_time_joins_the_end_of_the_backlog() -> None:
    first, second = account(daily(24, catch_up=CatchUp("all")), [], context())
    assert summary([first]) == ["catch_up 24 h ago"]
    assert isinstance(second, RunFact)
    assert isinstance(second.event, RunBuffered)
    assert (second.event.trigger, second.event.reason, second.event.backlog) == (Trigger.SCHEDULE, "overlap", True)


def test_an_occurrence_that_joins_a_full_backlog_stays_due() -> None:
    job = daily(0, catch_up=CatchUp("all"))
    caught_up = [replace(running(n), trigger=Trigger.CATCH_UP) for n in range(100)]
    assert account(job, caught_up, context()) == []
    assert len(account(job, caught_up[1:], context())) == 1


# Deadlines


def test_an_occurrence_past_its_deadline_is_skipped() -> None:
    late = a_job(scheduled_at=NOW - 3 * HOUR, start_within=HOUR)
    assert summary(account(late, [], context())) == ["skipped 3 h ago: deadline", "finished"]
    just = a_job(scheduled_at=NOW - HOUR, start_within=HOUR)
    assert summary(account(just, [], context())) == ["catch_up 1 h ago", "finished"]


def test_a_run_skipped_for_its_deadline_does_not_block_the_next() -> None:
    job = daily(24, start_within=HOUR)
    long_misfire = context(misfire=3 * DAY)
    assert summary(account(job, [], long_misfire)) == ["skipped 24 h ago: deadline", "schedule 0 h ago"]


def test_a_run_wakes_at_its_deadline_if_that_is_before_the_redelivery() -> None:
    for start_within, wake_at in (
        (10 * SECOND, NOW + 10 * SECOND),
        (HOUR, NOW + 30 * SECOND),
        (None, NOW + 30 * SECOND),
    ):
        event = first_event(a_job(start_within=start_within), context())
        assert event.wake_at == wake_at


def test_a_run_whose_message_the_scheduler_sends_later_is_due_at_once() -> None:
    event = first_event(a_job(start_within=HOUR), context(dispatch=0))
    assert (event.dispatch, event.wake_at, event.start_by) == (0, NOW, NOW + HOUR)


def first_event(job: Job, decision_context: DecisionContext) -> RunDispatched:
    fact = account(job, [], decision_context)[0]
    assert isinstance(fact, RunFact)
    assert isinstance(fact.event, RunDispatched)
    return fact.event


def test_a_first_event_holds_the_fields_of_the_job() -> None:
    job = replace(daily(0, task="t", queue="q", priority=9, max_retries=5), version=3, definition_version=4)
    (fact,) = account(job, [], context())
    assert isinstance(fact, RunFact)
    assert fact.run_id == run_id_at(JOB_ID, NOW)
    identity = {field.name: getattr(fact.event, field.name) for field in fields(Identity)}
    assert identity == {
        "job_id": JOB_ID,
        "job_name": "nightly report",
        "job_version": 3,
        "definition_at": 4,
        "task": "t",
        "queue": "q",
        "priority": 9,
        "nominal_at": NOW,
        "due_at": NOW,
        "trigger": Trigger.SCHEDULE,
        "max_attempts": 6,
        "backoff": job.definition.backoff,
        "notify": Notify(),
        "concurrency": None,
        "rate": None,
        "pause_on_failure": False,
        "cause": None,
        "next_at": NOW + DAY,
        "next_due_at": None,
        "at": NOW,
    }


# Random polls, pauses and changes


@dataclass(frozen=True)
class Poll:
    """A poll some time after the one before, while some runs of the job are still active."""

    later: timedelta
    active: int


POLLS = st.builds(
    Poll,
    later=st.timedeltas(timedelta(0), 5 * MINUTE) | st.timedeltas(timedelta(0), 10 * DAY) | st.just(DAY),
    active=st.integers(0, 2),
)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    first = draw(st.datetimes(datetime(2011, 12, 1), datetime(2012, 4, 20), timezones=st.just(UTC)))  # noqa: DTZ001
    return a_definition(
        scheduled_at=first,
        recurrence=draw(st.sampled_from(["daily", "daily", "weekly", "none"])),
        timezone=draw(st.sampled_from(ZONES)),
        dst=Dst(draw(st.sampled_from(["run_after", "skip"])), draw(st.sampled_from(["first", "second", "both"]))),
        ends_at=draw(st.none() | st.timedeltas(timedelta(0), 40 * DAY).map(lambda length: first + length)),
        start_within=draw(st.none() | st.timedeltas(SECOND, 2 * DAY)),
        overlap=draw(st.sampled_from(Overlap)),
        catch_up=CatchUp(
            draw(st.sampled_from(["latest", "all", "none"])),
            draw(st.timedeltas(timedelta(0), 4 * DAY) | st.just(365 * DAY)),
        ),
        max_runs=draw(st.none() | st.integers(1, 20)),
    )


def named(definition: Definition, after: datetime | None, until: datetime) -> list[datetime]:
    return list(takewhile(lambda time: time <= until, nominal_times(definition, after)))


def accounted(decided: Sequence[Fact], expected: Sequence[datetime]) -> list[datetime]:
    """The decided nominal times; one that was decided twice is listed twice."""
    times: list[datetime] = []
    for fact in decided:
        if isinstance(fact, RunFact):
            if not isinstance(fact.event, FirstEvent):
                continue
            assert fact.run_id == run_id_at(JOB_ID, fact.event.nominal_at)
            times.append(fact.event.nominal_at)
        elif isinstance(fact, OccurrencesSkipped):
            inside = expected[bisect_left(expected, fact.first) : bisect_right(expected, fact.last)]
            assert (fact.first, fact.last, fact.count) == (inside[0], inside[-1], len(inside))
            times += inside
    return times


@settings(deadline=None, max_examples=150)
@given(definitions(), st.timedeltas(-DAY, 40 * DAY), st.lists(POLLS, min_size=1, max_size=12), st.data())
def test_every_nominal_time_up_to_now_is_accounted_for_exactly_once(
    definition: Definition, first_look: timedelta, polls: list[Poll], data: st.DataObject
) -> None:
    misfire = data.draw(st.sampled_from([timedelta(0), MINUTE, HOUR, 3 * DAY]))
    now = definition.scheduled_at + first_look
    job = replace(a_job(), definition=definition, next_at=definition.scheduled_at)
    all_decided: list[Fact] = []
    for poll in polls:
        now += poll.later
        due = [time for time in named(definition, None, now) if job.next_at is not None and time >= job.next_at]
        active = [running(n) for n in range(poll.active)]
        decided = account(job, active, context(now, misfire=misfire))
        assert fates(decided, due) == by_the_policies(job, due, poll.active, now, misfire)
        job = job_after(job, decided)
        assert job.next_at is None or job.next_at > now
        assert account(job, active, context(now, misfire=misfire)) == []
        all_decided += decided
    finished = [fact for fact in all_decided if isinstance(fact, JobFinished)]
    expected = named(definition, None, finished[0].at if finished else now)
    assert accounted(all_decided, expected) == expected
    over = definition.recurrence == "none" or definition.ends_at is not None
    ended = bool(expected) and over and named(definition, expected[-1], definition.ends_at or now) == []
    assert len(finished) == (ended or job.exhausted)
    assert (job.status is JobStatus.FINISHED) == bool(finished)


def running(n: int) -> Run:
    return replace(a_run(), id=UUID(int=n + 1), status=RunStatus.RUNNING, attempt=1)


def fates(decided: Sequence[Fact], due: Sequence[datetime]) -> list[tuple[datetime, str]]:
    """What was decided about each time: start, wait, or the reason of its skip."""
    decided_fates: list[tuple[datetime, str]] = []
    for fact in decided:
        match fact.event if isinstance(fact, RunFact) else fact:
            case RunDispatched() as event:
                decided_fates.append((event.nominal_at, f"start {event.trigger}"))
            case RunBuffered() as event:
                decided_fates.append((event.nominal_at, f"wait {event.trigger}"))
            case RunSkipped() as event:
                decided_fates.append((event.nominal_at, event.reason))
            case OccurrencesSkipped() as event:
                decided_fates += [(time, event.reason) for time in due if event.first <= time <= event.last]
    return decided_fates


def by_the_policies(
    job: Job, due: Sequence[datetime], under_way: int, now: datetime, misfire: timedelta
) -> list[tuple[datetime, str]]:
    """What the policies demand for each time, computed in another way than by the code under test."""
    definition, decided_fates = job.definition, list[tuple[datetime, str]]()
    missed = [time for time in due if now - time > misfire]
    latest = missed[-1:] if missed == list(due) else []
    wanted = {"none": [], "latest": latest, "all": missed}[definition.catch_up.policy]
    within = [time for time in wanted if now - time <= definition.catch_up.window]
    others = OtherRuns(under_way)
    left = definition.max_runs - job.runs if definition.max_runs is not None else len(due)
    backlog = False
    for time in due:
        late = definition.start_within is not None and now - time > definition.start_within
        catching_up = time in missed
        all_of_them = catching_up and definition.catch_up.policy == "all"
        if left == 0:
            fate = "max_runs"
        elif catching_up and time not in within:
            fate = "window" if wanted and (all_of_them or not within) else "missed"
        elif late:
            fate = "deadline"
        else:
            backlog = backlog or all_of_them
            fate = others.another(Overlap.BUFFER_ALL if backlog else definition.overlap, definition.overlap)
            left -= fate != "overlap"
            fate += "" if fate == "overlap" else " catch_up" if catching_up else " schedule"
        decided_fates.append((time, fate))
    return decided_fates


@dataclass
class OtherRuns:
    """The numbers of other runs of the job that are running, just dispatched, or waiting."""

    under_way: int
    fresh: int = 0
    waiting: int = 0

    def another(self, overlap: Overlap, own: Overlap) -> str:
        busy = self.under_way + self.fresh + self.waiting > 0
        if own is Overlap.ALLOW_ALL or not busy:
            self.fresh += 1
            return "start"
        match overlap:
            case Overlap.SKIP:
                return "overlap"
            case Overlap.BUFFER_ONE if self.waiting:
                return "overlap"
            case Overlap.BUFFER_ONE | Overlap.BUFFER_ALL:
                self.waiting += 1
                return "wait"
            case Overlap.CANCEL_OTHER:  # what has not started ends at once, what runs is only asked to
                self.fresh, self.waiting = int(not self.under_way), int(self.under_way > 0)
                return "wait" if self.waiting else "start"
            case _:
                self.under_way, self.fresh, self.waiting = 0, 1, 0
                return "start"


@dataclass(frozen=True)
class Act:
    """A command on a series, some time after the one before."""

    kind: str
    later: timedelta
    change: Definition


ACTS = st.builds(
    Act,
    kind=st.sampled_from(["poll", "pause", "resume", "change"]),
    later=st.timedeltas(timedelta(0), 10 * DAY),
    change=definitions().filter(lambda definition: definition.recurrence != "none"),
)


@settings(deadline=None, max_examples=80)
@given(definitions(), st.lists(ACTS, max_size=10))
def test_every_nominal_time_is_accounted_for_through_pauses_and_changes(
    definition: Definition, acts: list[Act]
) -> None:
    """Each time is decided by the definition in force when it came. A pause skips it; a change adds no past times."""
    now, job = definition.scheduled_at, replace(a_job(), definition=definition, next_at=definition.scheduled_at)
    since: datetime | None = None
    for act in acts:
        now += act.later
        expected = named(job.definition, since, now) if job.next_at is not None else []
        decided: Sequence[Fact] = []
        if job.status is JobStatus.PAUSED:
            decided = skip_due(job, "paused", now)
        elif job.status is JobStatus.ACTIVE:
            decided = account(job, [], context(now))
        assert accounted(decided, expected) == expected
        job = _done(act, job_after(job, decided), now)
        since = now
        assert job.next_at is None or job.next_at > now
        over = job.status is JobStatus.FINISHED and job.exhausted  # by a change that grants no more than have run
        assert job.next_at == (None if over else next(nominal_times(job.definition, now), None))
        assert (job.next_at is None) <= (job.status in {JobStatus.FINISHED, JobStatus.PAUSED})


def _done(act: Act, job: Job, now: datetime) -> Job:
    finished = job.status is JobStatus.FINISHED
    match act.kind:
        case "pause" if not finished:
            return job_after(job, decide(job, [], PauseJob(None, context(now))))
        case "resume" if not finished:
            return job_after(job, decide(job, [], ResumeJob(None, now)))
        case "change":
            return job_after(job, decide(job, [], ChangeJob(act.change, context(now), run_exists=False)))
        case _:
            return job


def test_an_occurrence_beyond_the_limit_of_active_runs_is_skipped() -> None:
    job = a_job(scheduled_at=NOW - 2 * HOUR, recurrence=Every(HOUR), overlap=Overlap.ALLOW_ALL)
    active = [replace(a_run(), id=UUID(int=n)) for n in range(2)]
    on_time = context(misfire=DAY, max_active=4)
    assert summary(account(job, active, on_time)) == [
        "schedule 2 h ago",
        "schedule 1 h ago",
        "skipped 0 h ago: max_active_runs",
    ]


def test_a_backlog_pauses_at_the_limit_of_active_runs_instead_of_being_skipped() -> None:
    missed = daily(73, catch_up=CatchUp("all"), overlap=Overlap.ALLOW_ALL)
    assert summary(account(missed, [], context(max_active=2))) == ["catch_up 73 h ago", "catch_up 49 h ago"]
    caught_up = [replace(running(n), trigger=Trigger.CATCH_UP) for n in range(2)]
    assert account(daily(0, catch_up=CatchUp("all")), caught_up, context(max_active=2)) == []


def test_an_occurrence_that_ends_others_may_start_at_the_limit_of_active_runs() -> None:
    job = a_job(recurrence=Every(HOUR), overlap=Overlap.TERMINATE_OTHER)
    *_, opened = account(job, [a_run()], context(max_active=1))
    assert summary([opened]) == ["schedule 0 h ago"]
