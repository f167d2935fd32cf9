"""What a soak reports of its samples, and when it has failed."""

from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from benchmarks.soak.__main__ import keep, load_samples, report
from benchmarks.soak.picture import nice_top, picture
from benchmarks.soak.remarks import remarks
from benchmarks.soak.report import examined, failures, slopes_found, table
from benchmarks.soak.samples import FIRST_LINE
from support.soaks import a_soak


def test_only_what_should_not_grow_is_reported_to_grow() -> None:
    assert list(slopes_found(a_soak())) == ["table runs"]
    assert table(a_soak(), "a title").row_count == 3
    assert examined(a_soak()) == 2


def test_the_table_has_a_finding_for_each_series() -> None:
    console = Console(file=StringIO(), width=200)
    console.print(table(a_soak(), "a title"))
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(word in output for word in ("flat", "SLOPE", "by design"))


def test_a_soak_fails_by_slopes_verification_and_lost_requests() -> None:
    soak = replace(a_soak(), verified=False, lost=2)
    assert [each.split()[0] for each in failures(soak)] == ["SLOPE", "duebook", "2"]
    del soak.samples.series["table runs"]
    assert failures(replace(soak, verified=True, lost=0)) == []
    assert not report(a_soak(), "a title")
    assert report(replace(soak, verified=True, lost=0), "a title")


def test_what_was_created_lost_and_verified_is_kept_with_the_samples(tmp_path: Path) -> None:
    soak = replace(a_soak(), created=5, lost=1, posts=[[1.0, 2.0, 3.0]], verified=True)
    keep(soak, tmp_path / "soak.json")
    assert load_samples(tmp_path / "soak.json") == soak


def test_a_report_says_what_its_lateness_is() -> None:
    soak = a_soak()
    assert "recorded ahead" in " ".join(remarks(soak))
    soak.samples.lateness_of = FIRST_LINE
    soak.posts = [(0.1, 0.0, 20.0), (0.2, 900.0, 1000.0)]
    output = " ".join(remarks(soak))
    assert "first line of its task, of all runs" in output
    assert "max 1,000 ms" in output


def test_a_picture_is_an_svg_with_a_title() -> None:
    root = ET.fromstring(picture(a_soak(), "an <hour>"))
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "an <hour>"


@pytest.mark.parametrize(("value", "top"), [(1, 1), (1.2, 2), (9, 10), (10, 10), (41, 50), (401, 500), (0.3, 0.4)])
def test_an_axis_ends_at_a_round_number(value: float, top: float) -> None:
    assert nice_top(value) == pytest.approx(top)
