"""The line of a day covers its events, the line before, and what has departed; it is read back as it is printed."""

from datetime import UTC, date, datetime

import pytest

from duebook_common.domain.day_hash import DayLine, DepartedDay, EventSet, line_of, parse_line

DAY, NEXT = date(2026, 11, 26), date(2026, 11, 27)
BORN = datetime(2026, 11, 1, tzinfo=UTC)


def events(*leaves: bytes) -> EventSet:
    made = EventSet()
    for leaf in leaves:
        made.add(leaf)
    return made


def test_a_line_is_read_back_as_it_is_printed() -> None:
    for count in (1, 1_234_567):
        line = DayLine(DAY, count, "ab" * 32)
        assert parse_line(f" {line}\n") == line
    with pytest.raises(ValueError, match="a date, a number"):
        parse_line("2026-11-26 yes")


def test_a_line_covers_all_that_it_follows_from() -> None:
    first = line_of(DAY, events(b"a"), None, [])
    other = line_of(DAY, events(b"b"), None, [])
    gone = DepartedDay(DAY, BORN, events(b"a"))
    lines = [
        first,
        other,
        line_of(DAY, events(), None, []),
        line_of(NEXT, events(b"a"), None, []),
        line_of(NEXT, events(b"a"), first, []),
        line_of(NEXT, events(b"a"), other, []),
        line_of(NEXT, events(b"a"), first, [gone]),
        line_of(NEXT, events(b"a"), first, [DepartedDay(DAY, BORN, events(b"b"))]),
    ]
    assert len({line.hash for line in lines}) == len(lines)
    assert line_of(DAY, events(b"a"), None, []) == first


def test_sets_add_up() -> None:
    both = events(b"a")
    both.include(events(b"b"))
    assert both.same(events(b"b", b"a"))
    assert not both.same(events(b"a"))
