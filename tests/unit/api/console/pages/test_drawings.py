from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.svg.elements import twin
from duebook_api.console.pages.svg.lines import Point, lateness_lines
from duebook_api.console.pages.svg.sparkline import sparkline
from duebook_api.console.pages.svg.ticks import MOST, ticks
from duebook_api.console.pages.times import Times

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"))


@given(st.lists(st.integers(0, 10**9), max_size=60), TEXT)
def test_a_sparkline_is_well_formed_and_has_a_title(values: list[int], title: str) -> None:
    drawing = ET.fromstring(sparkline(values, "dead", title))
    assert drawing.get("aria-label") == title
    dots, bars = (path.get("d", "").count("M") for path in drawing)
    assert (dots, bars) == (values.count(0), len(values) - values.count(0))


@given(st.lists(st.tuples(st.sampled_from(["succeeded", "dead_lettered", "skipped", "running", "new"]), TEXT)))
def test_ticks_show_the_last_twenty_outcomes(outcomes: list[tuple[str, str]]) -> None:
    drawing = ET.fromstring(ticks(outcomes))
    assert len(drawing) == min(MOST, len(outcomes))
    assert drawing.get("aria-label")


def test_a_twin_escapes_its_cells() -> None:
    assert "<b>" not in twin("as a table", ["<b>"], [["<b>"]])


@pytest.mark.parametrize(
    ("latest", "labels"),
    [
        (0.004, {"1 ms", "10 ms"}),
        (0.8, {"1 ms", "10 ms", "1 s"}),
        (115, {"1 ms", "1 s", "10 min"}),
        (9_000, {"1 ms", "10 s", "10 h"}),
        (1e9, {"1 ms", "1 min", "500 days"}),
    ],
)
def test_the_scale_of_lateness_has_short_labels_and_holds_its_lines(latest: float, labels: set[str]) -> None:
    start = NOW - timedelta(hours=1)
    drawn = lateness_lines([Point(start, 0.002, latest), Point(NOW, 0.0001, latest)], Times(NOW), start)
    drawing = ET.fromstring(str(drawn).partition("</svg>")[0] + "</svg>")
    assert {each.text for each in drawing.iter() if each.tag.endswith("text")} == labels
    ends = [each.get("d", "") for each in drawing.iter() if each.tag.endswith("path")]
    heights = [float(point.split()[1]) for end in ends for point in end.removeprefix("M").split("L")]
    assert heights
    assert all(10 <= height <= 76 for height in heights)
