from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.dead_letters import check, dead_letters_page, is_same, range_of
from duebook_api.console.pages.times import Times
from duebook_api.console.pages.words import first_line

NOW = datetime(2026, 11, 26, 3, 12, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=5)
    ),
)


def _group(error: str = "HTTP 503", count: int = 60, **fields: Any) -> dict[str, Any]:
    seen = NOW - timedelta(minutes=31)
    times = dict.fromkeys(("oldest", "newest", "first_seen", "last_seen"), seen)
    return {"fingerprint": "f", "task": "t", "error": error, "count": count, "jobs": 12, **times, **fields}


def _page(*groups: dict[str, Any]) -> Any:
    return dead_letters_page(groups, {"f": [1] * 20}, "f", {"queue": "mail"}, Times(NOW), more=False)


def test_one_sentence_says_how_many_failed_alike_since_when() -> None:
    page = _page(_group())
    assert page.lead == "60 runs failed alike since Thu 26 Nov 02:41 +00:00."
    assert page.error == "HTTP 503. 12 jobs of the task t are concerned."
    assert _page(_group(count=1)).lead.startswith("1 run failed since")


def test_the_group_is_redriven_by_its_fingerprint_within_the_filter() -> None:
    assert _page(_group()).redrive.query == {"action": "redrive", "queue": "mail", "fingerprint": "f"}


def test_the_range_of_the_drawings_is_at_most_a_day() -> None:
    start, end = range_of([_group(oldest=NOW - timedelta(days=30))], NOW)
    assert timedelta(days=1) <= end - start <= timedelta(days=1, seconds=2)


def test_the_range_begins_with_the_causes_that_grew_within_a_day() -> None:
    old = _group(oldest=NOW - timedelta(days=30), last_seen=NOW - timedelta(days=29))
    start, _ = range_of([old, _group(oldest=NOW - timedelta(hours=1), last_seen=NOW)], NOW)
    assert start == NOW - timedelta(hours=1, seconds=1)


@pytest.mark.parametrize(("old", "new", "same"), [(1, True, False), ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True)])
def test_payloads_are_compared_as_json(old: Any, new: Any, same: bool) -> None:
    assert is_same(old, new) == same


@given(JSON, JSON)
def test_a_check_shows_what_changes_and_only_that(old: Any, new: Any) -> None:
    found = check(old, new, "t", has_schema=True)
    assert found.changed == (not is_same(old, new))
    assert bool(found.lines) == found.changed


@given(st.text())
def test_the_title_of_a_cause_is_one_short_line(error: str) -> None:
    assert 0 < len(first_line(error)) <= 120
