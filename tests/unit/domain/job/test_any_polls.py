"""Each nominal time is accounted for exactly once, whatever the definition, polls, pauses and changes."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from hypothesis import given, settings
from hypothesis import strategies as st

from duebook_common.domain.definition import CatchUp, Definition, Dst, Overlap
from duebook_common.domain.job.commands import ChangeJob, PauseJob, ResumeJob
from duebook_common.domain.job.decide import decide
from duebook_common.domain.job.events import Fact, JobFinished, OccurrencesSkipped
from duebook_common.domain.job.occurrence import account, skip_due
from duebook_common.domain.job.state import Job, JobStatus, job_after
from duebook_common.domain.run.events import FirstEvent, RunBuffered, RunDispatched, RunFact, RunSkipped
from duebook_common.domain.run.ids import run_id_at
from duebook_common.domain.schedule.nominal import nominal_times
from support.samples import DAY, HOUR, JOB_ID, MINUTE, SECOND, a_definition, a_job, a_running_run, context


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
        active = [a_running_run(n) for n in range(poll.active)]
        decided = account(job, active, context(now, misfire=misfire))
        assert fates(decided, due) == by_the_policies(job, due, poll.active, now, misfire)
        job = job_after(job, decided)
        assert job.next_at is None or job.next_at > now
        assert account(job, active, context(now, misfire=misfire)) == []
        all_decided += decided
    finished = [time for fact in all_decided if (time := end_of_schedule(definition, fact)) is not None]
    expected = named(definition, None, finished[0] if finished else now)
    assert accounted(all_decided, expected) == expected
    over = definition.recurrence == "none" or definition.ends_at is not None
    ended = bool(expected) and over and named(definition, expected[-1], definition.ends_at or now) == []
    assert len(finished) == (ended or job.exhausted)
    assert (job.status is JobStatus.FINISHED) == bool(finished)


def end_of_schedule(definition: Definition, fact: Fact) -> datetime | None:
    """When the fact ended the schedule, if it did: a one-off needs no event for that but its run."""
    if isinstance(fact, RunFact):
        return fact.event.at if definition.recurrence == "none" and isinstance(fact.event, FirstEvent) else None
    return fact.at if isinstance(fact, JobFinished) else None


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
