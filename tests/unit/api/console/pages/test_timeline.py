from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.svg.timeline import Span, shown_spans, timeline

DUE = datetime(2026, 11, 26, 2, tzinfo=UTC)


def _span(start: float, end: float, *, active: bool = True) -> Span:
    return Span("attempt", DUE + timedelta(seconds=start), DUE + timedelta(seconds=end), "retrying", active)


def _draw(spans: list[Span], now: datetime | None = None) -> ET.Element:
    return ET.fromstring(timeline("a run", spans, now, lambda time: f"{time:%H:%M:%S}"))


def _widths(drawing: ET.Element) -> list[float]:
    return [float(each.get("width", "0")) for each in drawing.iter("rect")]


@given(st.lists(st.tuples(st.floats(0, 10**6), st.floats(0, 10**6)), min_size=1, max_size=40), st.booleans())
def test_every_bar_lies_within_the_drawing(ranges: list[tuple[float, float]], ended: bool) -> None:
    spans = [_span(min(pair), max(pair)) for pair in ranges]
    drawing = _draw(spans, None if ended else max(span.end for span in spans))
    assert drawing.get("aria-label") == "a run"
    for bar in drawing.iter("rect"):
        assert 0 <= float(bar.get("x", "-1")) <= 960


def test_a_long_wait_between_attempts_is_folded_and_its_length_stands_below() -> None:
    drawing = _draw([_span(0, 10), _span(3610, 3620)])
    widths = _widths(drawing)
    assert min(widths) > 300
    assert "1 h" in [each.text for each in drawing.iter("text")]


def test_the_length_of_a_wait_at_an_end_stands_beside_the_time_there() -> None:
    drawing = _draw([_span(0, 3600, active=False), _span(3600, 3610)])
    starts = {each.text: float(each.get("x", "0")) for each in drawing.iter("text")}
    assert starts["1 h"] > starts["02:00:00"] + len("02:00:00") * 6


def test_a_short_wait_is_drawn_to_scale() -> None:
    drawing = _draw([_span(0, 10), _span(15, 25)])
    assert not [each for each in drawing.iter("path") if each.get("class") == "fold"]


def test_many_attempts_are_left_out_in_the_middle() -> None:
    spans = [_span(n, n + 0.5) for n in range(1000)]
    shown, left_out = shown_spans(spans)
    assert (len(shown), left_out) == (11, 989)
    assert "… 989 further attempts …" in [each.text for each in _draw(spans).iter("text")]


def test_a_run_that_has_not_ended_has_a_line_for_now() -> None:
    assert [each.get("class") for each in _draw([_span(0, 1)], DUE + timedelta(seconds=9)).iter("line")] == [
        "axis",
        "now",
    ]
    assert [each.get("class") for each in _draw([_span(0, 1)]).iter("line")] == ["axis"]


def test_the_label_of_a_long_bar_stands_clear_of_it() -> None:
    long = [_span(0, 10), _span(10, 10.1)]
    for spans in (long[:1], long):
        drawing = _draw(spans)
        bars = [(float(each.get("y", "0")), float(each.get("height", "0"))) for each in drawing.iter("rect")]
        labels = [float(each.get("y", "0")) for each in drawing.iter("text") if each.text == "attempt"]
        for label in labels:  # the line on which its letters of 11 pixels stand
            beside = [y for y, height in bars if y < label <= y + height]
            assert beside or not [y for y, height in bars if y < label + 3 and label - 10 < y + height]
        assert max(labels) + 3 < float(drawing.get("viewBox", "").split()[3]) - 18


def test_a_row_below_the_label_of_a_long_bar_moves_down() -> None:
    first, second = (float(each.get("y", "0")) for each in _draw([_span(0, 10), _span(10, 10.1)]).iter("rect"))
    assert second - first > 24
