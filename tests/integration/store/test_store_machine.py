"""Two processes that command the same jobs and runs in any order, each with states that may be old."""

import asyncio
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import CommandRejected
from duebook_common.domain.job.commands import Dispatch, TriggerRun
from duebook_common.domain.run.commands import (
    CancelRun,
    ConfirmCancel,
    DiscardRun,
    FailAttempt,
    RedriveRun,
    ReleaseAttempt,
    RunCommand,
    Succeed,
    WakeRun,
)
from duebook_common.domain.run.events import FirstEvent, RunFact
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.database import Pool, connect
from duebook_common.store.job_handling import handle_job
from duebook_common.store.run_handling import CommandResult, RunWork, handle_runs
from support.bookkeeping import ACTOR, NOW, check_invariants, context, created, dispatch, log, start
from support.samples import MINUTE
from support.state_machines import run_state_machine

T = TypeVar("T")
OUTCOMES = {"AttemptSucceeded", "AttemptFailed", "AttemptLost", "AttemptReleased"}


class Store:
    """A pool for each process on one database, and the event loop on which they run."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._contexts = [connect(url, side, size=2) for side in "ab"]
        self.sides: list[Pool] = [self.run(each.__aenter__()) for each in self._contexts]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def close(self) -> None:
        for each in self._contexts:
            self.run(each.__aexit__(None, None, None))
        self._runner.close()


sides = st.sampled_from([0, 1])
picks = st.integers(0, 7)
kinds = st.sampled_from(
    ["start"] * 4 + ["succeed", "fail", "fail", "fail for good", "release", "wake", "wake", "wake"]
    + ["cancel", "confirm", "redrive", "redrive", "discard"]
)  # fmt: skip


class Machine(RuleBasedStateMachine):
    """`known` is the state in which a side saw each run last: it may be old."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.jobs: list[UUID] = []
        self.runs: list[UUID] = []
        self.known: list[dict[UUID, Run]] = [{}, {}]
        self.executed: set[UUID] = set()
        self.accepted: list[tuple[UUID, str, int | None]] = []  # run, type and attempt of each accepted event

    @initialize(overlap=st.sampled_from(Overlap))
    def create_and_dispatch(self, overlap: Overlap) -> None:
        self.create(0, 2, overlap)
        self.dispatch(0, 0, both=False)

    @rule(side=sides, retries=st.integers(0, 2), overlap=st.sampled_from(Overlap))
    def create(self, side: int, retries: int, overlap: Overlap) -> None:
        if len(self.jobs) < 2:
            pool, id_ = self.store.sides[side], uuid4()
            facts: dict[str, Any] = {"max_retries": retries, "overlap": overlap, "recurrence": "daily"}
            self.store.run(created(pool, id_, **facts, scheduled_at=self.now))
            self.jobs.append(id_)

    @rule(side=sides, pick=picks, both=st.booleans(), manual=st.booleans())
    def dispatch(self, side: int, pick: int, *, both: bool, manual: bool = False) -> None:
        """Poll on one side, or on both at once; or trigger, and never two active runs."""
        job_id = self.jobs[pick % len(self.jobs)]

        def command() -> TriggerRun | Dispatch:
            return TriggerRun(uuid4(), Overlap.SKIP, context(self.now)) if manual else dispatch(self.now)

        async def poll() -> list[Any]:
            chosen = self.store.sides if both else [self.store.sides[side]]
            return await asyncio.gather(*(handle_job(pool, job_id, command(), ACTOR) for pool in chosen))

        results = self.store.run(poll())
        opened = [run for result in results for run in result.runs]
        assert len({run.id for run in opened}) == len(opened)
        dispatched = [run.id for run in opened if run.status is RunStatus.DISPATCHED]
        assert len(dispatched) <= 1 or not manual, "two triggers overlapped"
        self.runs += dispatched
        for result in results:
            for fact in result.facts:
                if isinstance(fact, RunFact) and not isinstance(fact.event, FirstEvent):  # cancelled by the policy
                    self.accepted.append((fact.run_id, type(fact.event).__name__, getattr(fact.event, "attempt", None)))
        for run in opened:
            self.known[0][run.id] = self.known[1][run.id] = run

    @rule(days=st.integers(0, 2))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days, seconds=61)

    @rule(side=sides, pick=picks, kind=kinds, stale=st.booleans())
    def act(self, side: int, pick: int, kind: str, *, stale: bool) -> None:
        self._execute([(side, self._work(side, pick, kind, stale=stale))])

    @rule(pick=picks, one=kinds, other=kinds, stale=st.booleans())
    def race(self, pick: int, one: str, other: str, *, stale: bool) -> None:
        """Both sides command the same run at the same time."""
        self._execute([(0, self._work(0, pick, one, stale=True)), (1, self._work(1, pick, other, stale=stale))])

    @rule(side=sides, pick=picks, kind=kinds)
    def repeat(self, side: int, pick: int, kind: str) -> None:
        """The answer to a COMMIT was lost, so the same work is repeated."""
        work = self._work(side, pick, kind, stale=True)
        (first,) = self._execute([(side, work)])
        (again,) = self._execute([(side, work)])
        assert not again.events, "a repeat appended events again"
        assert again.error is None or not first.events, "a repeat was not recognised"

    @rule(side=sides, pick=picks, late=st.sampled_from(["succeed", "fail", "release", "confirm"]))
    def lose_attempt(self, side: int, pick: int, late: str) -> None:
        """One side starts an attempt, the other declares it lost and starts the next; then the first reports."""
        self._execute([(side, self._work(side, pick, "start", stale=False))])
        for kind in ("wake", "wake", "start"):
            self.now += 2 * MINUTE
            self._execute([(1 - side, self._work(1 - side, pick, kind, stale=False))])
        self._execute([(side, self._work(side, pick, late, stale=True))])

    def _work(self, side: int, pick: int, kind: str, *, stale: bool) -> RunWork:
        known = self.known[side][self.runs[pick % len(self.runs)]]
        return RunWork(known.id, self._command(kind, known), known if stale else None)

    def _command(self, kind: str, known: Run) -> RunCommand:
        attempt, now = max(known.attempt, 1), self.now
        commands: dict[str, RunCommand] = {
            "start": start(known, now),
            "succeed": Succeed(attempt, {"attempt": attempt}, now),
            "fail": FailAttempt(attempt, "boom", now, 0.5),
            "fail for good": FailAttempt(attempt, "for good", now, 0.5, retry=False),
            "release": ReleaseAttempt(attempt, now),
            "confirm": ConfirmCancel(attempt, now),
            "wake": WakeRun(now + MINUTE, 0.5, MINUTE),
            "cancel": CancelRun("enough", now),
            "redrive": RedriveRun("again", 2, now),
            "discard": DiscardRun("no more", now),
        }
        return commands[kind]

    def _execute(self, work: list[tuple[int, RunWork]]) -> list[CommandResult]:
        async def together() -> list[list[CommandResult]]:
            calls = (handle_runs(self.store.sides[side], [item], ACTOR) for side, item in work)
            return await asyncio.gather(*calls)

        results = [result for (result,) in self.store.run(together())]
        for (side, item), result in zip(work, results, strict=True):
            self._check(item, result)
            if result.run is not None:
                self.known[side][item.run_id] = result.run
            for event in result.events:
                self.accepted.append((item.run_id, type(event).__name__, getattr(event, "attempt", None)))
        return results

    def _check(self, item: RunWork, result: CommandResult) -> None:
        """An outcome is accepted for the attempt that it names, or refused, or was recorded before."""
        assert result.error is None or isinstance(result.error, CommandRejected)
        if isinstance(item.command, Succeed | FailAttempt | ReleaseAttempt | ConfirmCancel):
            assert result.events or result.error or item.id in self.executed
            assert all(getattr(event, "attempt", None) in {item.command.attempt, None} for event in result.events)
        if result.events:
            self.executed.add(item.id)

    @invariant()
    def the_rows_agree_with_the_log(self) -> None:
        if self.jobs:
            self.store.run(check_invariants(self.store.sides[0], set(self.jobs)))

    @invariant()
    def the_log_has_exactly_the_accepted_events(self) -> None:
        recorded = self.store.run(log(self.store.sides[1], self.jobs))
        moves = [
            (UUID(event.stream[-36:]), event.type, event.data.get("attempt"))
            for event in recorded
            if event.stream.startswith("run-") and event.version > 1
        ]
        assert sorted(map(str, moves)) == sorted(map(str, self.accepted))

    @invariant()
    def an_attempt_has_one_outcome_at_most(self) -> None:
        outcomes = [(run, attempt) for run, type_, attempt in self.accepted if type_ in OUTCOMES]
        assert len(set(outcomes)) == len(outcomes)


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    store = Store(postgres_url)
    yield store
    store.close()


def test_two_processes_keep_log_and_read_models_right(store: Store) -> None:
    run_state_machine(Machine, examples=20, steps=25, store=store)
