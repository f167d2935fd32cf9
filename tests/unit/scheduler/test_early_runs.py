"""Messages of runs that were decided long ahead wait until shortly before their instants."""

from dataclasses import replace
from datetime import timedelta

from duebook_scheduler.early_runs import EarlyRuns
from support.samples import NOW, SECOND, a_run

NONE = timedelta(0)


def test_a_run_is_kept_until_shortly_before_its_instant() -> None:
    early, sent = EarlyRuns(NONE), [replace(a_run(), created_at=NOW + ahead * SECOND) for ahead in (0, 0.3, 1, 2)]
    assert early.keep(sent, NOW, {}) == sent[:2]
    assert early.next_at == NOW + 0.6 * SECOND
    assert early.take(NOW + 0.5 * SECOND) == []
    assert early.take(NOW + 0.6 * SECOND) == [sent[2]]
    assert early.next_at == NOW + 1.6 * SECOND


def test_a_longer_look_ahead_sends_as_early_as_it_says() -> None:
    early, far = EarlyRuns(5 * SECOND), replace(a_run(), created_at=NOW + 4 * SECOND)
    assert early.keep([far], NOW, {}) == [far]


def test_in_the_end_all_are_taken() -> None:
    early, far = EarlyRuns(NONE), [replace(a_run(), created_at=NOW + ahead * SECOND) for ahead in (3, 2)]
    assert early.keep(far, NOW, {}) == []
    assert early.take() == [far[1], far[0]]
    assert early.next_at is None


def test_runs_of_a_short_task_are_sent_early_as_many_as_executors_hold() -> None:
    early = EarlyRuns(NONE)
    of_short = [replace(a_run(), created_at=NOW + 2 * SECOND, task="short") for _ in range(250)]
    others = [replace(a_run(), created_at=NOW + 2 * SECOND, task="long") for _ in range(2)]
    slots = {(of_short[0].queue, "short"): 2}
    assert early.far([*of_short, *others], NOW) == {(others[0].queue, "long"), *slots}
    assert early.keep([*others, *of_short], NOW, slots) == of_short[:200]
    assert early.keep(of_short[:1], NOW, slots) == []
    assert len(early.take(NOW + 1.7 * SECOND)) == 53
    later = [replace(run, created_at=NOW + 4 * SECOND) for run in of_short]
    assert len(early.keep(later, NOW + 2 * SECOND, slots)) == 200, "the first have begun"


def test_of_several_schedulers_each_sends_its_share_early() -> None:
    early, runs = EarlyRuns(NONE), [replace(a_run(), created_at=NOW + 2 * SECOND) for _ in range(50)]
    assert len(early.keep(runs, NOW, {(runs[0].queue, runs[0].task): 1 / 3})) == 33


def test_a_run_that_may_expire_is_kept_as_no_executor_holds_it() -> None:
    early, far = EarlyRuns(NONE), replace(a_run(), created_at=NOW + 2 * SECOND, start_by=NOW + 60 * SECOND)
    assert early.keep([far], NOW, {(far.queue, far.task): 100}) == []
    assert early.take() == [far]
