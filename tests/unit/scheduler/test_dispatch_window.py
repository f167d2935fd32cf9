"""How many runs may still be dispatched ahead, and how seldom that is counted."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_scheduler.dispatch_window import DispatchWindow
from support.samples import NOW, SECOND, a_run


class Counted:
    """What the database would count, and which queues it was asked about."""

    def __init__(self, **ahead: int) -> None:
        self.ahead = ahead
        self.asked: list[list[str]] = []

    async def fetch(self, _: str, queues: Iterable[str]) -> list[dict[str, Any]]:
        self.asked.append(sorted(queues))
        return [{"queue": queue, "ahead": self.ahead[queue]} for queue in queues if queue in self.ahead]

    @property
    def db(self) -> Connection:
        return cast(Connection, self)


def runs(count: int, queue: str = "a") -> list[Run]:
    return [replace(a_run(), queue=queue)] * count


async def test_the_room_is_what_the_dispatched_ones_leave() -> None:
    books = Counted(a=3, b=12)
    assert await DispatchWindow(10).of(books.db, ["a", "b", "c", "a"], NOW) == {"a": 7, "b": -2, "c": 10}
    assert books.asked == [["a", "b", "c"]]


async def test_what_was_dispatched_since_takes_room_without_a_count() -> None:
    books, room = Counted(a=3), DispatchWindow(10)
    await room.of(books.db, ["a"], NOW)
    room.use(runs(4))
    assert await room.of(books.db, ["a"], NOW + SECOND) == {"a": 3}
    assert len(books.asked) == 1


async def test_it_is_counted_anew_after_a_second_and_only_where_it_is_asked_for() -> None:
    books, room = Counted(a=3, b=3), DispatchWindow(10)
    await room.of(books.db, ["a", "b"], NOW)
    books.ahead["a"] = 9
    assert await room.of(books.db, ["a"], NOW + 1.001 * SECOND) == {"a": 1}
    assert books.asked[1:] == [["a"]]


async def test_it_is_counted_anew_as_soon_as_it_runs_out() -> None:
    books, room = Counted(a=9), DispatchWindow(10)
    await room.of(books.db, ["a"], NOW)
    room.use(runs(1))
    books.ahead["a"] = 4
    assert await room.of(books.db, ["a"], NOW) == {"a": 6}


async def test_a_queue_that_nobody_has_counted_yet_is_counted_when_it_is_asked_for() -> None:
    books, room = Counted(b=1), DispatchWindow(10)
    room.use(runs(3, "b"))
    assert await room.of(books.db, ["b"], NOW) == {"b": 9}


async def test_no_queues_need_no_count() -> None:
    books = Counted()
    assert await DispatchWindow(10).of(books.db, [], NOW) == {}
    assert books.asked == []
