"""Two processes at one store, each with knowledge that may be old, do whatever they like in any order."""

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
from support.bookkeeping import ACTOR, NOW, check_books, context, created, dispatch, log, start
from support.samples import MINUTE
from support.state_machines import run_state_machine

T = TypeVar("T")
OUTCOMES = {"AttemptSucceeded", "AttemptFailed", "AttemptLost", "AttemptReleased"}


class Store:
    """Two pools on one database, and the loop on which they live."""

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
    ["start"] * 4 + ["succeed", "fail", "fail", "give up", "release", "wake", "wake", "wake"]
    + ["cancel", "confirm", "redrive", "redrive", "discard"]
)  # fmt: skip


class Machine(RuleBasedStateMachine):
    """`knows` is what a side believes of a run: it may be old, and is renewed only by its own work or by looking."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.jobs: list[UUID] = []
        self.runs: list[UUID] = []
        self.knows: list[dict[UUID, Run]] = [{}, {}]
        self.carried_out: set[UUID] = set()
        self.told: list[tuple[UUID, str, int | None]] = []  # run, type and attempt of each accepted event

    @initialize(overlap=st.sampled_from(Overlap))
    def begin(self, overlap: Overlap) -> None:
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
        """One poll, or one of each side at once; or triggers that may not overlap."""
        job_id = self.jobs[pick % len(self.jobs)]

        def command() -> TriggerRun | Dispatch:
            return TriggerRun(uuid4(), Overlap.SKIP, context(self.now)) if manual else dispatch(self.now)

        async def poll() -> list[Any]:
            chosen = self.store.sides if both else [self.store.sides[side]]
            return await asyncio.gather(*(handle_job(pool, job_id, command(), ACTOR) for pool in chosen))

        outcomes = self.store.run(poll())
        opened = [run for outcome in outcomes for run in outcome.runs]
        assert len({run.id for run in opened}) == len(opened)
        begun = [run.id for run in opened if run.status is RunStatus.DISPATCHED]
        assert len(begun) <= 1 or not manual, "two triggers overlapped"
        self.runs += begun
        for outcome in outcomes:
            for fact in outcome.facts:
                if isinstance(fact, RunFact) and not isinstance(fact.event, FirstEvent):  # who had to make way
                    self.told.append((fact.run_id, type(fact.event).__name__, getattr(fact.event, "attempt", None)))
        for run in opened:
            self.knows[0][run.id] = self.knows[1][run.id] = run

    @rule(days=st.integers(0, 2))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days, seconds=61)

    @rule(side=sides, pick=picks, kind=kinds, stale=st.booleans())
    def act(self, side: int, pick: int, kind: str, *, stale: bool) -> None:
        self._carry_out([(side, self._work(side, pick, kind, stale=stale))])

    @rule(pick=picks, one=kinds, other=kinds, stale=st.booleans())
    def race(self, pick: int, one: str, other: str, *, stale: bool) -> None:
        """Both sides command the same run at once."""
        self._carry_out([(0, self._work(0, pick, one, stale=True)), (1, self._work(1, pick, other, stale=stale))])

    @rule(side=sides, pick=picks, kind=kinds)
    def repeat(self, side: int, pick: int, kind: str) -> None:
        """The answer to a COMMIT was lost, and the same work comes again."""
        work = self._work(side, pick, kind, stale=True)
        (first,) = self._carry_out([(side, work)])
        (again,) = self._carry_out([(side, work)])
        assert not again.events, "a repeat was carried out twice"
        assert again.error is None or not first.events, "a repeat was not known as one's own"

    @rule(side=sides, pick=picks, late=st.sampled_from(["succeed", "fail", "release", "confirm"]))
    def give_up_for_lost(self, side: int, pick: int, late: str) -> None:
        """One side starts, the other takes its attempt for lost and starts the next; then the first comes back."""
        self._carry_out([(side, self._work(side, pick, "start", stale=False))])
        for kind in ("wake", "wake", "start"):
            self.now += 2 * MINUTE
            self._carry_out([(1 - side, self._work(1 - side, pick, kind, stale=False))])
        self._carry_out([(side, self._work(side, pick, late, stale=True))])

    def _work(self, side: int, pick: int, kind: str, *, stale: bool) -> RunWork:
        known = self.knows[side][self.runs[pick % len(self.runs)]]
        return RunWork(known.id, self._command(kind, known), known if stale else None)

    def _command(self, kind: str, known: Run) -> RunCommand:
        attempt, now = max(known.attempt, 1), self.now
        commands: dict[str, RunCommand] = {
            "start": start(known, now),
            "succeed": Succeed(attempt, {"attempt": attempt}, now),
            "fail": FailAttempt(attempt, "boom", now, 0.5),
            "give up": FailAttempt(attempt, "for good", now, 0.5, retry=False),
            "release": ReleaseAttempt(attempt, now),
            "confirm": ConfirmCancel(attempt, now),
            "wake": WakeRun(now + MINUTE, 0.5, MINUTE),
            "cancel": CancelRun("enough", now),
            "redrive": RedriveRun("again", 2, now),
            "discard": DiscardRun("no more", now),
        }
        return commands[kind]

    def _carry_out(self, work: list[tuple[int, RunWork]]) -> list[CommandResult]:
        async def together() -> list[list[CommandResult]]:
            calls = (handle_runs(self.store.sides[side], [item], ACTOR) for side, item in work)
            return await asyncio.gather(*calls)

        answers = [answer for (answer,) in self.store.run(together())]
        for (side, item), answer in zip(work, answers, strict=True):
            self._judge(item, answer)
            if answer.run is not None:
                self.knows[side][item.run_id] = answer.run
            for event in answer.events:
                self.told.append((item.run_id, type(event).__name__, getattr(event, "attempt", None)))
        return answers

    def _judge(self, item: RunWork, answer: CommandResult) -> None:
        """An outcome is accepted for the attempt that it names, or refused, unless it was recorded before."""
        assert answer.error is None or isinstance(answer.error, CommandRejected)
        if isinstance(item.command, Succeed | FailAttempt | ReleaseAttempt | ConfirmCancel):
            assert answer.events or answer.error or item.id in self.carried_out
            assert all(getattr(event, "attempt", None) in {item.command.attempt, None} for event in answer.events)
        if answer.events:
            self.carried_out.add(item.id)

    @invariant()
    def the_books_are_right(self) -> None:
        if self.jobs:
            self.store.run(check_books(self.store.sides[0], set(self.jobs)))

    @invariant()
    def what_was_accepted_is_recorded_and_nothing_else(self) -> None:
        recorded = self.store.run(log(self.store.sides[1], self.jobs))
        moves = [
            (UUID(event.stream[-36:]), event.type, event.data.get("attempt"))
            for event in recorded
            if event.stream.startswith("run-") and event.version > 1
        ]
        assert sorted(map(str, moves)) == sorted(map(str, self.told))

    @invariant()
    def an_attempt_has_one_outcome_at_most(self) -> None:
        outcomes = [(run, attempt) for run, type_, attempt in self.told if type_ in OUTCOMES]
        assert len(set(outcomes)) == len(outcomes)


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    store = Store(postgres_url)
    yield store
    store.close()


def test_two_processes_at_one_store_keep_the_books_right(store: Store) -> None:
    run_state_machine(Machine, examples=20, steps=25, store=store)
