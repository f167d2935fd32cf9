"""How many more runs a queue may have dispatched, and how seldom they are counted."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_scheduler.dispatch_window import DispatchWindow
from support.samples import NOW, SECOND, a_run


class FakeDatabase:
    """Answers the count with given numbers of dispatched runs, and keeps the queues of each count."""

    def __init__(self, **dispatched: int) -> None:
        self.dispatched = dispatched
        self.counts: list[list[str]] = []

    async def fetch(self, _: str, queues: Iterable[str]) -> list[dict[str, Any]]:
        self.counts.append(sorted(queues))
        return [{"queue": queue, "runs": self.dispatched[queue]} for queue in queues if queue in self.dispatched]

    @property
    def db(self) -> Connection:
        return cast(Connection, self)


def runs(count: int, queue: str = "a") -> list[Run]:
    return [replace(a_run(), queue=queue)] * count


async def test_the_capacity_is_the_size_less_the_dispatched_runs() -> None:
    database = FakeDatabase(a=3, b=12)
    assert await DispatchWindow(10).capacity(database.db, ["a", "b", "c", "a"], NOW) == {"a": 7, "b": -2, "c": 10}
    assert database.counts == [["a", "b", "c"]]


async def test_newly_dispatched_runs_take_capacity_without_a_count() -> None:
    database, window = FakeDatabase(a=3), DispatchWindow(10)
    await window.capacity(database.db, ["a"], NOW)
    window.use(runs(4))
    assert await window.capacity(database.db, ["a"], NOW + SECOND) == {"a": 3}
    assert len(database.counts) == 1


async def test_after_a_second_only_the_queues_in_question_are_counted_again() -> None:
    database, window = FakeDatabase(a=3, b=3), DispatchWindow(10)
    await window.capacity(database.db, ["a", "b"], NOW)
    database.dispatched["a"] = 9
    assert await window.capacity(database.db, ["a"], NOW + 1.001 * SECOND) == {"a": 1}
    assert database.counts[1:] == [["a"]]


async def test_an_exhausted_queue_is_counted_again_at_once() -> None:
    database, window = FakeDatabase(a=9), DispatchWindow(10)
    await window.capacity(database.db, ["a"], NOW)
    window.use(runs(1))
    database.dispatched["a"] = 4
    assert await window.capacity(database.db, ["a"], NOW) == {"a": 6}


async def test_the_first_count_of_a_queue_includes_earlier_dispatches() -> None:
    database, window = FakeDatabase(b=1), DispatchWindow(10)
    window.use(runs(3, "b"))
    assert await window.capacity(database.db, ["b"], NOW) == {"b": 9}


async def test_without_queues_nothing_is_counted() -> None:
    database = FakeDatabase()
    assert await DispatchWindow(10).capacity(database.db, [], NOW) == {}
    assert database.counts == []


async def test_a_count_that_takes_long_is_taken_less_often() -> None:
    tenths = itertools.count()
    database, window = FakeDatabase(a=9), DispatchWindow(10, lambda: next(tenths) / 10)
    for queue in "abcd":
        await window.capacity(database.db, [queue], NOW - SECOND)
    await window.capacity(database.db, ["a"], NOW + 0.001 * SECOND)
    window.use(runs(1))
    assert await window.capacity(database.db, ["a"], NOW + 0.4 * SECOND) == {"a": 0}
    assert len(database.counts) == 5
    assert await window.capacity(database.db, ["a"], NOW + 0.6 * SECOND) == {"a": 1}
    assert await window.capacity(database.db, ["e"], NOW + 0.6 * SECOND) == {"e": 10}, "a new queue is counted at once"


async def test_after_the_clock_was_set_back_a_queue_is_counted_again() -> None:
    database, window = FakeDatabase(a=3), DispatchWindow(10)
    await window.capacity(database.db, ["a"], NOW)
    assert await window.capacity(database.db, ["a"], NOW - 2 * SECOND) == {"a": 7}
    assert len(database.counts) == 2
