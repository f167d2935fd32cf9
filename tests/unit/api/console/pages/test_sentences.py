from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from duebook_api.console.pages.sentences import in_zone
from duebook_api.console.pages.times import Times

_NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
_BERLIN = Times(_NOW, "Europe/Berlin")


def text(sentence: str, times: Times = _BERLIN, job_zone: str | None = None) -> str:
    return in_zone(sentence, times, job_zone).striptags()


def test_a_time_in_a_sentence_is_shown_in_the_zone_of_the_reader() -> None:
    assert text("it is due at 2026-11-24T23:30:00Z, and waits") == "it is due at Wed 25 Nov 00:30 +01:00, and waits"


def test_a_reader_of_the_zone_of_the_job_sees_that_zone() -> None:
    assert text("due at 2026-11-24T23:30:00Z", Times(_NOW, "job"), "Asia/Tokyo") == "due at Wed 25 Nov 08:30 +09:00"


def test_the_local_time_beside_a_time_in_utc_is_left_out() -> None:
    sentence = "skipped 2026-11-24T23:30:00Z (2026-11-25 08:30 in Asia/Tokyo) because of a pause"
    assert text(sentence) == "skipped Wed 25 Nov 00:30 +01:00 because of a pause"


def test_the_time_in_utc_stays_in_the_markup() -> None:
    assert '<time datetime="2026-11-24T23:30:00.250000Z"' in in_zone("due at 2026-11-24T23:30:00.25Z", _BERLIN)


def test_quoted_text_stays_as_it_is() -> None:
    sentence = "paused: “until 2026-11-24T23:30:00Z <b>”"
    assert in_zone(sentence, _BERLIN) == "paused: “until 2026-11-24T23:30:00Z &lt;b&gt;”"


def test_what_is_no_date_stays_as_it_is() -> None:
    assert text("at 2026-13-45T99:00:00Z") == "at 2026-13-45T99:00:00Z"
    assert text("at 9999-12-31T23:59:59Z") == "at 9999-12-31T23:59:59Z"


@given(st.text())
def test_any_other_text_is_escaped_and_not_changed(sentence: str) -> None:
    markup = in_zone(sentence, _BERLIN)
    assert "<" not in markup
    assert markup == escape(sentence)
