"""Which of the runs that wait are let go, given how full their keys are."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Concurrency
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.state import Run, RunStatus
from duebook_scheduler.admission import _AdmissionBatch
from support.samples import NOW, SECOND, a_job, a_run


def waits(n: int, reason: str, key: Concurrency | None = None, trigger: Trigger = Trigger.SCHEDULE) -> Run:
    """The n-th run of the job, waiting since then."""
    born = NOW + n * SECOND
    facts: dict[str, Any] = {
        "created_at": born,
        "nominal_at": born,
        "due_at": NOW,
        "wake_at": NOW,
        "trigger": trigger,
        "dispatch": 0,
    }
    return replace(a_run(), id=UUID(int=n), status=RunStatus.WAITING, reason=reason, concurrency=key, **facts)


def let_go(active: list[Run], woken: list[Run], holders: dict[str, int]) -> list[int]:
    facts = _AdmissionBatch(woken, holders, NOW + 60 * SECOND, SECOND).judge(a_job(), active)
    return [fact.run_id.int for fact in facts]


def test_the_first_that_waits_for_runs_goes_once_none_is_under_way() -> None:
    first, second = waits(1, "overlap"), waits(2, "overlap")
    assert let_go([second, first], [first], {}) == [1]
    assert let_go([second, first, replace(a_run(), id=UUID(int=9))], [first], {}) == []


def test_a_key_lets_as_many_go_as_it_has_places_the_oldest_first() -> None:
    key = Concurrency("k", 3)
    runs = [waits(n, "concurrency", key) for n in (4, 2, 3, 1)]
    assert let_go(runs, runs, {"k": 1}) == [1, 2]
    assert let_go(runs, runs, {"k": 3}) == []


def test_one_that_waits_for_its_key_stands_in_the_way_of_those_behind_it() -> None:
    key = Concurrency("k", 2)
    runs = [waits(1, "concurrency", key), waits(2, "overlap", key)]
    assert let_go(runs, runs, {"k": 0}) == [1]


def test_of_a_key_that_was_not_asked_for_nothing_is_let_go() -> None:
    """A backfill without a key is woken; before it stands a run with a key whose lock nobody holds."""
    backfill = waits(1, "overlap", trigger=Trigger.BACKFILL)
    keyed = waits(2, "overlap", Concurrency("full", 1))
    assert let_go([backfill, keyed], [backfill], {}) == []


def test_what_jitter_holds_back_is_not_let_go_before_it_is_due() -> None:
    early = replace(waits(1, "overlap"), due_at=NOW + 90 * SECOND)
    assert let_go([early], [early], {}) == []
