from datetime import datetime, timedelta
from typing import NamedTuple

from duebook_api.console.pages.as_of import MOST, instants
from support.samples import NOW


class _Event(NamedTuple):
    type: str
    recorded_at: datetime


EVENTS = [
    _Event("RunDispatched", NOW),
    _Event("AttemptStarted", NOW + timedelta(seconds=1)),
    _Event("AttemptFailed", NOW + timedelta(seconds=2)),
    _Event("RunDeadLettered", NOW + timedelta(seconds=2)),
]


def test_events_of_one_instant_are_one_step() -> None:
    assert [each.words for each in instants(EVENTS, None)] == [
        "Run dispatched",
        "Attempt started",
        "Attempt failed, Run dead-lettered",
    ]


def test_no_instant_is_chosen_for_the_present() -> None:
    assert not any(each.chosen for each in instants(EVENTS, None))


def test_the_newest_instant_by_then_is_chosen() -> None:
    chosen = [each.chosen for each in instants(EVENTS, NOW + timedelta(seconds=1.5))]
    assert chosen == [False, True, False]


def test_an_instant_before_all_events_is_the_first_and_chosen() -> None:
    first, *others = instants(EVENTS, NOW - timedelta(hours=1))
    assert (first.at, first.words, first.chosen) == (NOW - timedelta(hours=1), "before these events", True)
    assert len(others) == 3
    assert not any(each.chosen for each in others)


def test_newest_first_is_the_same() -> None:
    assert [each.at for each in instants(EVENTS[::-1], None)] == [each.at for each in instants(EVENTS, None)]


def test_the_newest_of_many_are_kept() -> None:
    many = [_Event("OccurrencesSkipped", NOW + timedelta(hours=n)) for n in range(MOST + 5)]
    assert instants(many, None)[0].at == NOW + timedelta(hours=5)
