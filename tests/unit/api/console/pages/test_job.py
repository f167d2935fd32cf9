from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.diffs import diff
from duebook_api.console.pages.job import late_words, ledger_view, next_times, run_rows
from duebook_api.console.pages.svg.calendar import Day, calendar, day_look
from duebook_api.console.pages.times import Times
from duebook_common.domain.definition import Cron, Definition
from duebook_common.domain.job.ledger import LedgerEntry
from duebook_common.domain.job.schedule_history import DefinitionVersion

NOW = datetime(2026, 11, 26, 2, 12, tzinfo=UTC)
TODAY = date(2026, 11, 26)
NIGHTLY = Definition(
    name="nightly", scheduled_at=NOW - timedelta(days=1), recurrence=Cron("0 2 * * 1-5"), timezone="Europe/Berlin"
)
DAYS = st.builds(
    Day,
    st.dictionaries(
        st.sampled_from(["succeeded", "skipped", "dead_lettered", "due", "unaccounted"]), st.integers(1, 90)
    ).map(Counter),
    st.integers(0, 90),
    st.integers(0, 90),
)


def test_the_next_times_end_with_the_first_after_the_clocks_change() -> None:
    times = next_times(NIGHTLY, NOW)
    assert [each.at.day for each in times[:4]] == [27, 30, 1, 2]
    assert (times[-1].at, times[-1].note) == (datetime(2027, 3, 29, 0, 0, tzinfo=UTC), "first after the clocks change")


def test_a_schedule_that_ends_has_no_more_times() -> None:
    assert next_times(Definition(name="once", scheduled_at=NOW - timedelta(days=1)), NOW) == []


def test_the_ledger_sums_up_what_the_calendar_shows() -> None:
    days = {TODAY: Day(Counter(succeeded=2, due=1)), date(2026, 11, 25): Day(Counter(unaccounted=1))}
    view = ledger_view(days, [NOW + timedelta(days=1)], date(2026, 11, 23), Times(NOW), "UTC", "/d")
    assert (view.expected, view.recorded, view.due, view.unaccounted) == (4, 2, 1, 1)
    assert [day for day, _ in view.notable] == [TODAY, date(2026, 11, 25)]
    assert "1 to come" in view.drawing


@given(st.dictionaries(st.dates(date(2026, 1, 1), TODAY), DAYS))
def test_a_calendar_is_well_formed_and_each_day_with_times_is_a_link(days: dict[date, Day]) -> None:
    drawing = ET.fromstring(calendar(days, date(2026, 1, 1), TODAY, TODAY, "/console/jobs/1?day="))
    links = [each.get("href") for each in drawing.iter("a")]
    assert links == [f"/console/jobs/1?day={day}" for day in sorted(days) if days[day].outcomes]


def test_the_calendar_of_a_new_job_is_as_large_as_that_of_an_old_one() -> None:
    new, old = (
        ET.fromstring(calendar({}, first, TODAY, TODAY, "/console/jobs/1?day=")).get("viewBox")
        for first in (TODAY, TODAY - timedelta(days=364))
    )
    assert new == old


def test_a_day_that_is_not_over_looks_like_what_its_past_times_came_to() -> None:
    assert day_look(Day(Counter(succeeded=2, upcoming=30)), 8) == "day fill-succeeded shade-1"
    assert day_look(Day(Counter(upcoming=30)), 8) == "day outlined"


def test_a_day_looks_like_what_most_of_its_times_came_to() -> None:
    assert day_look(Day(Counter(succeeded=9, dead_lettered=1)), 10) == "day fill-succeeded shade-4"
    assert day_look(Day(Counter(dead_lettered=1, succeeded=1)), 10) == "day fill-dead"


def _drawn(day: Day) -> tuple[str, list[str], str]:
    """The class of the square of one day, those of its marks, and its title."""
    drawing = ET.fromstring(calendar({TODAY: day}, TODAY, TODAY, TODAY + timedelta(days=1), "/"))
    [link] = drawing.iter("a")
    [square] = link.iter("rect")
    return square.get("class", ""), [each.get("class", "") for each in link.iter("path")], link.get("aria-label", "")


def test_a_day_of_retries_and_one_that_was_caught_up_have_looks_of_their_own() -> None:
    retried = _drawn(Day(Counter(succeeded=1), retried=1))
    assert retried == ("day retried", ["mark"], "Thu 26 Nov 2026: 1 succeeded; 1 after retries")
    late = _drawn(Day(Counter(succeeded=1), caught_up=1))
    assert late == ("day caught-up", ["mark"], "Thu 26 Nov 2026: 1 succeeded; 1 caught up late")
    both = _drawn(Day(Counter(succeeded=2), retried=1, caught_up=2))
    assert both[:2] == ("day caught-up", ["mark", "corner retried"])
    assert _drawn(Day(Counter(succeeded=1)))[1] == []


def test_what_concerns_some_times_of_a_day_has_a_corner_of_its_own() -> None:
    look, marks, _ = _drawn(Day(Counter(succeeded=9, dead_lettered=1), retried=1, caught_up=1))
    assert (look, marks) == ("day fill-succeeded shade-4", ["corner fill-dead", "corner retried", "corner caught-up"])
    assert _drawn(Day(Counter(skipped=9, succeeded=1), caught_up=1))[1] == ["corner caught-up"]


def test_each_look_of_a_day_has_a_form_of_its_own() -> None:
    days = [Day(Counter({"dead_lettered": 1})), Day(Counter(succeeded=1), 1), Day(Counter(succeeded=1), 0, 1)]
    forms = [ET.fromstring(calendar({TODAY: day}, TODAY, TODAY, TODAY, "/")).find(".//a/path") for day in days]
    assert len({form.get("d") for form in forms if form is not None}) == 3
    some = Day(Counter(succeeded=9, dead_lettered=1), 1, 1)
    corners = [each.get("d") for each in ET.fromstring(calendar({TODAY: some}, TODAY, TODAY, TODAY, "/")).iter("path")]
    assert len(set(corners)) == 3


def test_the_table_beside_the_calendar_has_days_of_retries_and_late_runs() -> None:
    days = {
        TODAY: Day(Counter(succeeded=2), retried=1),
        date(2026, 11, 25): Day(Counter(succeeded=2)),
        date(2026, 11, 24): Day(Counter(succeeded=2), caught_up=2),
    }
    view = ledger_view(days, [], date(2026, 11, 23), Times(NOW), "UTC", "/d")
    assert view.notable == [
        (TODAY, "2 succeeded; 1 after retries"),
        (date(2026, 11, 24), "2 succeeded; 2 caught up late"),
    ]
    assert view.marks == [("retried", 1), ("caught_up", 2)]


def test_a_time_says_at_which_attempt_and_that_it_was_late() -> None:
    version = DefinitionVersion(NIGHTLY, 1, 1)
    entry = LedgerEntry(NOW, version, "succeeded", attempt=3, trigger="catch_up")
    assert late_words(entry) == "third attempt, caught up late"
    assert late_words(replace(entry, attempt=1, trigger="schedule")) == ""
    assert late_words(replace(entry, outcome="skipped")) == ""


def test_a_diff_has_the_changed_lines_and_some_around_them() -> None:
    old = {"endpoint": "v1", "amount": 1, "z": list(range(20))}
    lines = diff(old, old | {"endpoint": "v2"})
    assert [line for line in lines if line.mark == "-"] == [("-", '  "endpoint": "v1",')]
    assert [line for line in lines if line.mark == "+"] == [("+", '  "endpoint": "v2",')]
    assert lines[-1].mark == "…"
    assert diff(old, dict(reversed(old.items()))) == []


def test_a_run_that_succeeded_late_says_at_which_attempt() -> None:
    run = {
        "id": 1,
        "nominal_at": NOW,
        "status": "succeeded",
        "attempt": 3,
        "started_at": NOW,
        "finished_at": NOW + timedelta(seconds=128),
        "error": "boom\nat line 3",
    }
    [late] = run_rows([run], NOW)
    assert (late.more, late.took, late.error) == ("third attempt", "2 min 8 s", "")
    [dead] = run_rows([run | {"status": "dead_lettered"}], NOW)
    assert dead.error == "boom"
