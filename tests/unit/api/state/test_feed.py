from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from duebook_api.http.positions import Position
from duebook_api.state import feed
from duebook_api.state.feed import EventFrame, Feed, _batch, _chunks, _RecentEvents
from duebook_common.store.event_scan import EventFilter
from duebook_common.store.eventstore import RecordedEvent
from support.samples import NOW


def frames(first: int, last: int, size: int = 10) -> list[EventFrame]:
    return [EventFrame(Position(1, n), b"x" * size, event(n)) for n in range(first, last + 1)]


def event(number: int, type_: str = "JobPaused", job_id: UUID | None = None) -> RecordedEvent:
    meta = {"actor": "key:a"}
    return RecordedEvent(1, number, f"job-{job_id}", 1, UUID(int=number), type_, None, meta, job_id, NOW)


def recent(*numbers: int) -> _RecentEvents:
    """The recent events from a start on, extended by one batch up to each of the following numbers."""
    events = _RecentEvents(Position(1, numbers[0]))
    for before, last in pairwise(numbers):
        events.extend(frames(before + 1, last))
    return events


async def test_the_log_is_not_read_for_a_stream_that_reads_no_events() -> None:
    pool: Any = None  # a question to the database would fail
    feed = Feed(pool)
    with feed.reserve_stream("a page", reads_events=False):
        assert feed.streams == 1
        assert await feed.step() == 0


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


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (EventFilter(), True),
        (EventFilter(types=frozenset({"JobPaused", "x"})), True),
        (EventFilter(types=frozenset({"x"})), False),
        (EventFilter(job_id=UUID(int=7)), True),
        (EventFilter(job_id=UUID(int=8)), False),
        (EventFilter(actor="key:a"), True),
        (EventFilter(actor="key:b"), False),
        (EventFilter(run_id=UUID(int=7)), False),
        (EventFilter(types=frozenset({"JobPaused"}), actor="key:b"), False),
    ],
)
def test_a_filter_wants_an_event_that_meets_all_its_parts(wanted: EventFilter, found: bool) -> None:
    assert wanted.matches(event(1, job_id=UUID(int=7))) == found


def test_a_batch_without_a_wanted_event_says_how_far_it_went() -> None:
    batch = _batch(frames(1, 3), EventFilter(types=frozenset({"x"})))
    assert batch is not None
    assert (batch.frames, batch.position) == ([], Position(1, 3))
    assert batch.text.startswith("1-3-")
    assert _batch([], None) is None
