"""How fast a bulk operation may go on, what it has left, and when it ends."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from duebook_common.domain.bulk.events import BulkAction, BulkFilter, BulkRequested
from duebook_common.domain.bulk.progress import BatchOutcome, Progress, advanced, estimated_end, left, slots
from duebook_common.domain.bulk.state import BulkOperation, BulkStatus, opened
from support.samples import HOUR, MINUTE, NOW, SECOND


def operation(**fields: Any) -> BulkOperation:
    values: dict[str, Any] = {
        "action": BulkAction.CANCEL,
        "filter": BulkFilter(),
        "reason": "x",
        "matched": 100,
        "at": NOW,
    }
    return opened(UUID(int=1), "key:a", BulkRequested(**(values | fields)))


@pytest.mark.parametrize("action", list(BulkAction))
def test_at_a_rate_nothing_is_done_before_its_time(action: BulkAction) -> None:
    assert slots(operation(action=action, rate=5), Progress(), NOW, 200).size == 1


def test_without_a_rate_a_batch_is_as_large_as_may_be() -> None:
    assert slots(operation(), Progress(), NOW, 200).size == 200
    assert slots(operation(limit=150), Progress(done=100), NOW, 200).size == 50


@settings(max_examples=200, deadline=None)
@example(rate=50, pauses=[0.1] + [0.01] * 110)
@example(rate=400, pauses=[0.01] * 20 + [30, 0.1] + [0.01] * 110)
@given(
    rate=st.sampled_from([0.5, 1, 3, 10, 10.5, 11, 50, 400]),
    pauses=st.lists(st.sampled_from([0.01, 0.05, 0.25, 1, 30]), min_size=5, max_size=60),
)
def test_no_span_of_a_second_has_more_than_the_rate(rate: float, pauses: list[float]) -> None:
    """A pause of 30 s stands for a restart."""
    bulk, progress, now = operation(rate=rate), Progress(), NOW
    times: list[datetime] = []
    for pause in pauses:
        taken = slots(bulk, progress, now, 200)
        times += [now] * taken.size
        if taken.size > 0:
            progress = advanced(progress, None, BatchOutcome(taken.size, Counter(), used=taken.size), taken, ())
        now += timedelta(seconds=pause)
    for first in times:
        assert sum(first <= time < first + SECOND for time in times) <= max(1, rate)


def test_an_outage_is_followed_by_no_burst() -> None:
    progress = Progress(next_at=NOW)
    assert slots(operation(rate=10), progress, NOW + HOUR, 200).size == 1


def test_a_clock_that_was_set_back_stops_an_operation_for_little_more_than_a_minute() -> None:
    bulk, progress = operation(rate=10), Progress(next_at=NOW + HOUR)
    assert slots(bulk, progress, NOW, 200).first <= NOW + MINUTE + SECOND


def test_before_its_time_nothing_is_allowed() -> None:
    assert slots(operation(rate=0.001), Progress(next_at=NOW + MINUTE), NOW, 200).size == 0


def test_what_is_left_follows_from_matched_done_refused_and_limit() -> None:
    progress = Progress(done=30, refused={"a": 5, "b": 5})
    assert left(operation(), progress) == 60
    assert left(operation(limit=40), progress) == 10
    assert left(operation(matched=10), progress) == 0
    assert left(replace(operation(), status=BulkStatus.ABORTED), progress) == 0


@pytest.mark.parametrize(
    ("fields", "progress", "end"),
    [
        ({"rate": 2}, Progress(next_at=NOW + 20 * SECOND), NOW + 70 * SECOND),
        ({}, Progress(done=20), NOW + 50 * SECOND),
        ({}, Progress(), None),
        ({"matched": 0}, Progress(), NOW + 10 * SECOND),
    ],
)
def test_the_end_is_estimated_by_the_rate_or_by_the_pace_so_far(
    fields: dict[str, Any], progress: Progress, end: datetime | None
) -> None:
    now = NOW + 10 * SECOND
    assert estimated_end(operation(**fields), progress, now) == end
    assert estimated_end(replace(operation(**fields), status=BulkStatus.ENDED), progress, now) is None
