import pytest

from benchmarks.peers.comparison import Rates, Span, TableRow, middle, rows

SETTINGS = {"Duebook": "all of it", "Celery": "confirmed", "TaskIQ": "not measured: no network"}


def test_a_rate_is_the_number_of_tasks_by_the_seconds_they_took() -> None:
    assert Span(100.0, 104.0).rate(10_000) == 2_500


def test_a_span_without_time_has_no_rate() -> None:
    with pytest.raises(ValueError, match="10 tasks took 0"):
        Span(100.0, 100.0).rate(10)


def test_the_median_is_taken_of_each_rate_by_itself() -> None:
    assert middle([Rates(100, 9), Rates(300, 7), Rates(200, 8)]) == Rates(200, 8)


def test_a_ratio_is_duebooks_rate_as_a_multiple_of_the_peers() -> None:
    _, celery = rows([Rates(1_500, 2_400)], {"Celery": [Rates(1_000, 1_200)]}, SETTINGS)
    assert celery == TableRow("Celery", "1,200", "2.00", "1,000", "1.50", "confirmed")


def test_the_ratios_are_those_of_the_medians() -> None:
    ours = [Rates(100, 100), Rates(200, 200), Rates(900, 900)]
    _, celery = rows(ours, {"Celery": [Rates(100, 400), Rates(50, 50), Rates(400, 100)]}, SETTINGS)
    assert (celery.run_ratio, celery.one_by_one_ratio) == ("2.00", "2.00")


def test_a_peer_that_was_not_measured_has_a_row_that_says_why() -> None:
    _, taskiq = rows([Rates(1_500, 2_400)], {"TaskIQ": []}, SETTINGS)
    assert taskiq == TableRow("TaskIQ", "-", "-", "-", "-", "not measured: no network")
