"""Jitter: each run is due later, always by the same delay for the same time, and never out of order."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.definition import Cron, Definition, Every
from duebook_common.domain.schedule.due import Occurrence, next_occurrence, occurrences
from duebook_common.domain.schedule.nominal import nominal_times
from support.samples import DAY, HOUR, JOB_ID, MINUTE, NOW, SECOND, a_definition

IDS = st.uuids(version=4)
KINDS = st.sampled_from(["daily", Every(HOUR), Cron("*/7 * * * *")])


def first_occurrences(definition: Definition, job_id: UUID = JOB_ID, count: int = 20) -> list[Occurrence]:
    first = next_occurrence(job_id, definition, None).next_at
    assert first is not None
    return list(islice(occurrences(job_id, definition, first), count))


def test_without_jitter_a_nominal_time_is_due_at_once() -> None:
    series = first_occurrences(a_definition(recurrence="daily"))
    assert [each.due_at for each in series] == [each.nominal_at for each in series]
    assert {each.next_due_at for each in series} == {None}
    assert next_occurrence(JOB_ID, a_definition(), NOW) == (None, None)


def test_a_one_off_has_no_next_occurrence() -> None:
    (only,) = first_occurrences(a_definition(jitter=MINUTE))
    assert (only.next_at, only.next_due_at) == (None, None)
    assert NOW <= only.due_at <= NOW + MINUTE


@given(IDS, st.timedeltas(timedelta(microseconds=1), 3 * DAY), KINDS)
def test_an_occurrence_is_due_within_its_jitter_and_before_the_next(
    job_id: UUID, jitter: timedelta, kind: object
) -> None:
    definition = a_definition(recurrence=kind, jitter=jitter)
    series = first_occurrences(definition, job_id)
    assert [each.nominal_at for each in series] == list(islice(nominal_times(definition), 20))
    for each, following in pairwise(series):
        assert each.nominal_at <= each.due_at <= each.nominal_at + jitter
        assert each.due_at <= following.nominal_at
        assert (each.next_at, each.next_due_at) == (following.nominal_at, following.due_at)


@given(IDS, st.integers(0, 30))
def test_due_times_do_not_depend_on_where_the_iteration_starts(job_id: UUID, skip: int) -> None:
    definition = a_definition(recurrence=Every(MINUTE), jitter=40 * SECOND)
    expected = first_occurrences(definition, job_id, 40)[skip]
    assert next(occurrences(job_id, definition, expected.nominal_at)) == expected
    assert next_occurrence(job_id, definition, expected.nominal_at - SECOND) == (expected.nominal_at, expected.due_at)


def test_the_jobs_of_a_fleet_are_spread_over_the_whole_jitter() -> None:
    definition = a_definition(jitter=MINUTE)
    late = [(first_occurrences(definition, UUID(int=n))[0].due_at - NOW) / MINUTE for n in range(1000)]
    for tenth in range(10):
        assert 60 < sum(tenth / 10 <= share < (tenth + 1) / 10 for share in late) < 140


def test_jitter_ends_with_the_year_9999() -> None:
    last = datetime(9998, 12, 31, tzinfo=UTC)
    (only,) = first_occurrences(a_definition(scheduled_at=last, jitter=36500 * DAY))
    assert last <= only.due_at
