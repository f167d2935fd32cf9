"""Times near the ends of the calendar: no arithmetic passes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duebook_api.schedules.dst_effects import affected
from duebook_api.schedules.preview import preview
from duebook_common.domain.definition import Cron, Definition, Dst, Every, Recurrence, Rrule
from duebook_common.domain.schedule.dst import Transition

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
LONGEST = timedelta(days=36_500)
RECURRENCES: list[Recurrence] = [
    "none",
    "daily",
    "weekly",
    Every(timedelta(seconds=1)),
    Every(LONGEST),
    Cron("* * * * * *"),
    Cron("30 2 * * *"),
    Cron("0 0 L 12 *"),
    Rrule("FREQ=DAILY"),
    Rrule("FREQ=MINUTELY;INTERVAL=10000"),
    Rrule("FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=31;UNTIL=99991231"),
]


@pytest.mark.parametrize("recurrence", RECURRENCES)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize(("start", "after"), [(FIRST, FIRST), (FIRST, LAST), (LAST, LAST), (LAST, FIRST)])
def test_a_preview_near_an_end_of_the_calendar(
    recurrence: Recurrence, zone: str, start: datetime, after: datetime
) -> None:
    for fields in ({}, {"jitter": LONGEST, "ends_at": LAST, "dst": Dst("skip", "both")}):
        definition = Definition(name="n", scheduled_at=start, recurrence=recurrence, timezone=zone, **fields)  # type: ignore[arg-type]
        for moment in (after, datetime(9970, 1, 1, tzinfo=UTC)):
            times: list[Any] = preview(definition, moment, 50)["times"]
            assert times == sorted(times)


def test_a_transition_in_the_last_hours_affects_what_it_would() -> None:
    at = datetime.max.replace(tzinfo=UTC) - timedelta(hours=3)
    transition = Transition(at, timedelta(0), timedelta(hours=1))
    assert affected(Definition(name="n", scheduled_at=FIRST, recurrence="daily"), transition) is None
