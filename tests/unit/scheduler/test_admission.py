"""When the scheduler looks again at a waiting run that was not admitted."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from duebook_common.domain.job.admission import ConcurrencySlots, Limits
from duebook_scheduler.admission import next_look
from support.samples import HOUR, MINUTE, NOW, SECOND, a_run

LONGEST = 30 * SECOND


@pytest.mark.parametrize(
    ("fields", "look"),
    [
        ({}, NOW + LONGEST),
        ({"dispatched_at": NOW - 5 * SECOND}, NOW + 5 * SECOND),
        ({"due_at": NOW + 2 * SECOND}, NOW + 2 * SECOND),
        ({"not_before": NOW + 2 * SECOND}, NOW + 2 * SECOND),
        ({"due_at": NOW + 2 * SECOND, "not_before": NOW + 3 * SECOND}, NOW + 3 * SECOND),
        ({"due_at": NOW + 2 * HOUR}, NOW + 2 * HOUR),
        ({"due_at": NOW + HOUR, "start_by": NOW + MINUTE}, NOW + MINUTE),
        ({"not_before": NOW - SECOND}, NOW + LONGEST),
        ({"start_by": NOW - SECOND}, NOW + timedelta(milliseconds=10)),
    ],
)
def test_the_next_look_is_at_the_own_time_of_a_run_if_that_lies_ahead(fields: dict[str, Any], look: datetime) -> None:
    waited_long = replace(a_run(), created_at=NOW - HOUR, dispatched_at=NOW - HOUR, due_at=NOW - HOUR)
    assert next_look(replace(waited_long, **fields), NOW, LONGEST, Limits(ConcurrencySlots({}))) == look
