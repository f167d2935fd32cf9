from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.times import Times, relative

NOW = datetime(2026, 11, 26, 2, 12, tzinfo=UTC)


def test_a_time_has_its_date_and_offset_and_the_distance_beside_it() -> None:
    shown = Times(NOW, "Europe/Berlin").moment(datetime(2026, 11, 27, 1, 0, tzinfo=UTC))
    assert "Fri 27 Nov 02:00 +01:00" in shown
    assert 'datetime="2026-11-27T01:00:00Z"' in shown
    assert ">in 22 h 48 min<" in shown


def test_the_offset_is_that_of_the_day_and_another_year_is_named() -> None:
    assert Times(NOW, "Europe/Berlin").text(datetime(2027, 3, 29, 0, 0, tzinfo=UTC)) == "Mon 29 Mar 2027 02:00 +02:00"


def test_the_choice_of_the_job_s_zone_shows_each_time_in_its_own() -> None:
    times = Times(NOW, "job", own_zone="Europe/Berlin")
    assert times.text(NOW, "Asia/Tokyo") == "Thu 26 Nov 11:12 +09:00"
    assert times.text(NOW) == "Thu 26 Nov 03:12 +01:00"


def test_no_time_is_a_dash() -> None:
    assert "\N{EN DASH}" in Times(NOW).moment(None)


@given(st.floats(-1e9, 1e9))
def test_a_distance_says_which_direction(seconds: float) -> None:
    text = relative(NOW + timedelta(seconds=seconds), NOW)
    assert text == "now" or text.startswith("in ") == (seconds > 0)
