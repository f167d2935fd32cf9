"""Durations as text and back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from duebook_common.runtime.durations import Duration, iso

DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


@given(st.timedeltas(timedelta(0), timedelta(days=36_500)))
def test_a_written_duration_is_parsed_to_the_same_value(value: timedelta) -> None:
    assert DURATION.validate_python(iso(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(seconds=90), "PT1M30S"),
        (timedelta(days=365), "P365D"),
        (timedelta(days=1, seconds=10), "P1DT10S"),
        (timedelta(seconds=60, milliseconds=20), "PT1M0.02S"),
        (timedelta(microseconds=1), "PT0.000001S"),
    ],
)
def test_days_are_the_largest_unit(value: timedelta, text: str) -> None:
    assert iso(value) == text
