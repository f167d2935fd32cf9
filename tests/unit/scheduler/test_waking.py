"""What a due run needs: each status, dispatch number and time has its action."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from duebook_common.domain.run.state import Run, RunStatus
from duebook_scheduler.due_runs import DueRun
from duebook_scheduler.waking import Action, Admit, Bury, Postpone, Wake, WakeContext, classify, may_be_lost
from support.samples import HOUR, MINUTE, NOW, SECOND, a_run

CHANCE = 0.5
NO_CAPACITY = Postpone(NOW + 5.5 * SECOND)


def due(status: str, *, lease_until: datetime | None = None, deleted: bool = False, **fields: Any) -> DueRun:
    """A due run; unless a test says otherwise, its first message was sent ten minutes ago."""
    run = replace(a_run(), **{"dispatched_at": NOW - 10 * MINUTE, "wake_at": NOW, **fields})
    return DueRun(replace(run, status=RunStatus(status)), lease_until, deleted)


def context(capacity: int = 1, trusted_at: datetime = NOW, lost: tuple[Run, ...] = ()) -> WakeContext:
    return WakeContext(NOW, trusted_at, {"default": capacity}, frozenset(run.id for run in lost))


@pytest.mark.parametrize(
    ("run", "circumstances", "action"),
    [
        # a retry is sent while its queue has capacity, and looked at again some seconds later otherwise
        (due("retrying", attempt=1), context(), Wake()),
        (due("retrying", attempt=1), context(capacity=0), NO_CAPACITY),
        (due("retrying", attempt=1), context(capacity=-3), NO_CAPACITY),
        (due("retrying", attempt=1, deleted=True), context(capacity=0), Wake()),
        # the same holds for a waiting run, but its locks decide about it
        (due("waiting", dispatch=0), context(), Admit()),
        (due("waiting", dispatch=0), context(capacity=0), NO_CAPACITY),
        (due("waiting", dispatch=0, deleted=True), context(capacity=0), Admit()),
        # a held run only has its deadline to meet, until the resume wakes it
        (due("waiting", held=True), context(), Postpone(NOW + 5 * MINUTE)),
        (due("waiting", held=True, start_by=NOW + SECOND), context(), Postpone(NOW + SECOND)),
        (due("waiting", held=True, start_by=NOW - SECOND), context(), Admit()),
        (due("waiting", held=True, deleted=True), context(), Admit()),
        # a run that was never sent is sent, whatever the capacity
        (due("dispatched", dispatch=0), context(capacity=0), Wake()),
        # a message that was sent is sent again only if it is known to be lost
        (due("dispatched", dispatch=1), context(), Postpone(NOW + 10 * MINUTE)),
        (due("dispatched", dispatch=7), context(capacity=0), Postpone(NOW + 10 * MINUTE)),
        (due("dispatched", dispatch=1), context(lost=(a_run(),)), Wake()),
        (due("dispatched", dispatch=1, deleted=True), context(), Wake()),
        # an expired run is ended, unless an attempt of it had started
        (due("dispatched", dispatch=1, start_by=NOW - SECOND), context(), Wake()),
        (due("dispatched", dispatch=2, attempt=1, start_by=NOW - SECOND), context(), Postpone(NOW + 10 * MINUTE)),
        # a running attempt is lost when its lease has ended and expired leases can be trusted
        (due("running", lease_until=NOW + SECOND), context(), Postpone(NOW + SECOND)),
        (due("running", lease_until=NOW), context(), Wake()),
        (due("running"), context(), Wake()),
        (due("running", lease_until=NOW), context(trusted_at=NOW + MINUTE), Postpone(NOW + MINUTE)),
        (due("running"), context(trusted_at=NOW + MINUTE), Postpone(NOW + MINUTE)),
        (due("running", lease_until=NOW + HOUR), context(trusted_at=NOW + MINUTE), Postpone(NOW + HOUR)),
        (due("running", deleted=True), context(capacity=0), Wake()),
        # a dead letter whose message never reached its queue
        (due("dead_lettered"), context(), Bury()),
        (due("dead_lettered", deleted=True), context(capacity=0), Bury()),
    ],
)
def test_each_due_run_has_its_action(run: DueRun, circumstances: WakeContext, action: Action) -> None:
    assert classify(run, circumstances, CHANCE) == action


@pytest.mark.parametrize(
    ("queued", "wait"),
    [(timedelta(0), SECOND), (SECOND / 2, SECOND), (30 * SECOND, 30 * SECOND), (HOUR, HOUR), (9 * HOUR, HOUR)],
)
def test_a_message_is_looked_for_less_often_the_longer_it_is_queued(queued: timedelta, wait: timedelta) -> None:
    run = due("dispatched", dispatch=1, dispatched_at=NOW - queued)
    assert classify(run, context(), CHANCE) == Postpone(NOW + wait)


@pytest.mark.parametrize(("attempt", "wait"), [(0, MINUTE), (1, 10 * MINUTE)])
def test_the_deadline_of_an_unstarted_run_is_not_overslept(attempt: int, wait: timedelta) -> None:
    run = due("dispatched", dispatch=1, attempt=attempt, start_by=NOW + MINUTE)
    assert classify(run, context(), CHANCE) == Postpone(NOW + wait)


@pytest.mark.parametrize(("chance", "seconds"), [(0, 1), (1, 10)])
def test_runs_without_capacity_come_back_spread_over_seconds(chance: float, seconds: int) -> None:
    assert classify(due("retrying"), context(capacity=0), chance) == Postpone(NOW + seconds * SECOND)


def test_only_runs_whose_message_was_sent_can_have_lost_it() -> None:
    assert may_be_lost(due("dispatched", dispatch=1), NOW)
    for other in ("retrying", "waiting", "running", "dead_lettered"):
        assert not may_be_lost(due(other, dispatch=1), NOW)
    assert not may_be_lost(due("dispatched", dispatch=0), NOW)
    assert not may_be_lost(due("dispatched", dispatch=1, deleted=True), NOW)
    assert not may_be_lost(due("dispatched", dispatch=1, start_by=NOW - SECOND), NOW)
