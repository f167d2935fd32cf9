from datetime import UTC, datetime

from duebook_api.console.pages.local_times import field_values, with_offsets
from duebook_api.console.pages.times import Times

BERLIN = Times(datetime(2026, 11, 26, 3, tzinfo=UTC), "Europe/Berlin")


def test_a_time_without_an_offset_gets_that_of_the_reader() -> None:
    changed = with_offsets([("due_from", "2026-11-26T02:00"), ("status", "a"), ("status", "b")], {"due_from"}, BERLIN)
    assert changed == {"due_from": ["2026-11-26T02:00:00+01:00"], "status": ["a", "b"]}


def test_a_query_whose_times_have_offsets_is_left_alone() -> None:
    assert (
        with_offsets([("due_from", "2026-11-26T02:00Z"), ("due_to", "nonsense")], {"due_from", "due_to"}, BERLIN)
        is None
    )


def test_a_field_shows_the_time_in_the_zone_of_the_reader() -> None:
    assert field_values({"a": BERLIN.now, "b": None}, BERLIN) == {"a": "2026-11-26T04:00:00", "b": ""}
