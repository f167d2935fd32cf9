from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.svg.elements import twin
from duebook_api.console.pages.svg.sparkline import sparkline
from duebook_api.console.pages.svg.ticks import MOST, ticks

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
