"""Seconds in which a period leaves are compared with others of the same period, without those of the begin."""

import pytest

from benchmarks.soak.beside import beside, beside_table
from support.soaks import a_soak


def test_periods_are_compared_each_within_itself_and_after_the_begin() -> None:
    found = beside(a_soak())
    assert [each.begin for each in found] == [240, 300, 360, 420, 480]  # the last one has not been seen ended
    assert {(each.leaving.rate, each.leaving.p99) for each in found} == {(2, 9)}
    assert {(each.others.rate, each.others.p99) for each in found} == {(3, 5)}
    assert all(each.leaving.count + each.others.count < 60 for each in found)  # those in between count as neither


def test_the_table_has_the_spread_over_periods() -> None:
    table = beside_table(a_soak())
    assert table.row_count == 6
    assert list(table.columns[4].cells)[-1] == "1.80 (1.80 to 1.80)"


@pytest.mark.parametrize("steady_from", [10_000, 541])
def test_a_soak_too_short_compares_nothing(steady_from: float) -> None:
    soak = a_soak()
    soak.steady_from = steady_from
    assert beside(soak) == []
    assert beside_table(soak).row_count == 0
