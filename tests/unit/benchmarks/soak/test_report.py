"""What a soak reports of its samples."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks.soak.picture import nice_top, picture
from benchmarks.soak.report import Soak, beside, slopes_found, table
from benchmarks.soak.samples import Samples


def a_soak() -> Soak:
    """Ten periods of a minute: one leaves in the first twenty seconds of each, in which runs are later."""
    samples = Samples()
    for second in range(15, 601, 15):
        samples.add(second, {"hot tables": 100, "table runs": 1 + second, "lines for ever": second})
    archiving = [[60.0 * n, 60.0 * n + 20] for n in range(10)]
    for second in range(600):
        samples.late[second] = [9.0] * 2 if second % 60 < 20 else [5.0] * 3
        samples.ended[second] = len(samples.late[second])
    return Soak(samples, archiving, 60, 240)


def test_only_what_should_not_grow_is_reported_to_grow() -> None:
    assert slopes_found(a_soak()) == ["table runs"]
    assert table(a_soak(), "a title").row_count == 3


def test_seconds_in_which_a_period_leaves_have_figures_of_their_own() -> None:
    leaving, others = beside(a_soak())
    assert (leaving.rate, leaving.p99) == (2, 9)
    assert (others.rate, others.p99) == (3, 5)
    assert leaving.seconds + others.seconds < 585  # those in between count as neither


def test_a_picture_is_an_svg_with_a_title() -> None:
    root = ET.fromstring(picture(a_soak(), "an <hour>"))
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "an <hour>"


@pytest.mark.parametrize(("value", "top"), [(1, 1), (1.2, 2), (9, 10), (10, 10), (41, 50), (401, 500), (0.3, 0.4)])
def test_an_axis_ends_at_a_round_number(value: float, top: float) -> None:
    assert nice_top(value) == pytest.approx(top)
