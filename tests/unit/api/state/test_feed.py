from itertools import pairwise

import pytest

from duebook_api.http.positions import Position
from duebook_api.state import feed
from duebook_api.state.feed import EventFrame, _chunks, _RecentEvents


def frames(first: int, last: int, size: int = 10) -> list[EventFrame]:
    return [EventFrame(Position(1, n), b"x" * size) for n in range(first, last + 1)]


def recent(*numbers: int) -> _RecentEvents:
    """The recent events from a start on, extended by one batch up to each of the following numbers."""
    events = _RecentEvents(Position(1, numbers[0]))
    for before, last in pairwise(numbers):
        events.extend(frames(before + 1, last))
    return events


def test_a_stream_gets_the_events_after_its_position() -> None:
    events = recent(0, 3, 5)
    assert (events.start, events.end) == (Position(1, 0), Position(1, 5))
    assert events.after(Position(1, 2)) == frames(3, 5)
    assert events.after(events.end) == []


def test_a_stream_gets_at_most_one_batch_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_BATCH", 2)
    assert recent(0, 5).after(Position(1, 1)) == frames(2, 3)


@pytest.mark.parametrize(("limit", "most"), [("_KEPT", 4), ("_KEPT_BYTES", 40)])
def test_the_older_half_is_dropped_beyond_a_limit(monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    monkeypatch.setattr(feed, limit, most)
    events = recent(0, 4, 5)
    assert (events.start, events.end) == (Position(1, 3), Position(1, 5))
    assert events.after(events.start) == frames(4, 5)


def test_an_event_larger_than_the_limit_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_KEPT_BYTES", 5)
    events = recent(0, 1)
    assert events.start == events.end == Position(1, 1)


def test_small_frames_are_sent_together_and_large_ones_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_CHUNK_BYTES", 25)
    assert [len(chunk) for chunk in _chunks([*frames(1, 4), *frames(5, 5, 90), *frames(6, 6)])] == [30, 100, 10]
