"""What a job's schedule says about a time."""

from datetime import datetime, timedelta

import pytest

from duebook_api.why.nominal_times import definition_version_at, intended_time, time_context
from duebook_common.domain.definition import Every
from duebook_common.domain.job.events import JobChanged
from support.explanations import JobHistory
from support.samples import DAY, HOUR, NOW, SECOND, a_definition

DAILY = a_definition(recurrence="daily")


def test_a_whole_second_stands_for_the_nominal_time_within_it() -> None:
    fraction = timedelta(microseconds=824349)
    odd = a_definition(scheduled_at=NOW + fraction, recurrence="daily")
    assert intended_time(odd, NOW + DAY) == NOW + DAY + fraction
    assert intended_time(odd, NOW + DAY + SECOND) == NOW + DAY + SECOND
    assert intended_time(odd, NOW + timedelta(microseconds=1)) == NOW + timedelta(microseconds=1)


def test_a_change_is_in_force_for_the_times_after_it() -> None:
    history = JobHistory(DAILY).then(JobChanged(definition=DAILY, next_at=NOW + DAY, at=NOW + HOUR))
    context = history.context(NOW + DAY)
    assert [definition_version_at(context, NOW + hours * HOUR) for hours in (-1, 0, 1, 2)] == [1, 1, 1, 2]


def test_the_context_of_a_nominal_time_has_its_neighbours_and_its_rank() -> None:
    context = time_context(JobHistory(DAILY).context(NOW), DAILY, NOW + 2 * DAY)
    assert (context.is_nominal, context.due_at, context.occurrences_left) == (True, NOW + 2 * DAY, 3)
    assert (context.before, context.after) == (NOW + DAY, NOW + 3 * DAY)


@pytest.mark.parametrize(("at", "is_after_end"), [(NOW + 5 * DAY, True), (NOW + 5 * DAY + HOUR, False)])
def test_a_time_after_ends_at_may_be_one_of_the_recurrence(at: datetime, is_after_end: bool) -> None:
    ending = a_definition(recurrence="daily", ends_at=NOW + 2 * DAY)
    context = time_context(JobHistory(ending).context(NOW), ending, at)
    assert (context.is_nominal, context.is_after_end, context.before) == (False, is_after_end, NOW + 2 * DAY)


def test_a_time_may_be_nominal_by_the_present_definition_only() -> None:
    hourly = a_definition(recurrence=Every(HOUR))
    history = JobHistory(DAILY).then(JobChanged(definition=hourly, next_at=NOW + 9 * HOUR, at=NOW + 8 * HOUR))
    context = time_context(history.context(NOW + DAY), DAILY, NOW + 3 * HOUR)
    assert (context.is_nominal, context.is_nominal_today, context.definition_version) == (False, True, 1)
