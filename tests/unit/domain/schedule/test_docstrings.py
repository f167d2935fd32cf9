"""The examples in the docstrings of the schedule package are true."""

import doctest

import pytest

from duebook_common.domain.schedule import rrule_set, rrule_time_of_day, times


@pytest.mark.parametrize("module", [times, rrule_set, rrule_time_of_day])
def test_the_examples_in_docstrings_hold(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0
