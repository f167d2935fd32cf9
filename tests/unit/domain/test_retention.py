"""Which period may leave."""

from datetime import UTC, datetime, timedelta

import pytest

from duebook_common.domain.retention import Span, due, spans

MONTHS = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4)]
DAY = timedelta(days=1)


def test_a_period_ends_where_the_next_one_starts_and_the_open_one_has_no_end() -> None:
    assert spans(MONTHS) == [Span(*MONTHS[:2]), Span(*MONTHS[1:3]), Span(*MONTHS[2:])]
    assert spans(MONTHS[:1]) == spans([]) == []


@pytest.mark.parametrize(
    ("retention", "now", "leaves"),
    [
        (None, MONTHS[3] + 900 * DAY, None),
        (30 * DAY, MONTHS[1] + 30 * DAY, MONTHS[0]),
        (30 * DAY, MONTHS[1] + 29 * DAY, None),
        (timedelta(0), MONTHS[3], MONTHS[0]),
    ],
)
def test_the_oldest_period_leaves_first_once_it_is_old_enough(
    retention: timedelta | None, now: datetime, leaves: datetime | None
) -> None:
    period = due(spans(MONTHS), retention, now)
    assert (period.start if period else None) == leaves


def test_without_an_ended_period_none_leaves() -> None:
    assert due([], DAY, MONTHS[0]) is None
