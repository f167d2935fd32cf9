"""What tasks say waits in memory until PostgreSQL has it, and never holds up an attempt."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from duebook.context import Context
from duebook_executor.attempt import Attempt
from duebook_executor.note_queries import LogLine, NoteQueries
from duebook_executor.note_writer import NoteWriter
from support.attempts import an_attempt
from support.executions import context_with


class Written:
    """Takes what is written, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.lines, self.rest = error, list[str](), list[Any]()
        self.reached, self.free = asyncio.Event(), asyncio.Event()
        self.free.set()

    async def insert_log_lines(self, lines: Sequence[LogLine]) -> None:
        await self._commit()
        self.lines += [line.message for line in lines]

    async def put_progress(self, rows: Sequence[Any]) -> None:
        await self._commit()
        self.rest += rows

    async def put_checkpoints(self, rows: Sequence[Any]) -> None:
        await self._commit()
        self.rest += rows

    async def _commit(self) -> None:
        """The first call waits until `free` is set; later ones overtake it."""
        if not self.reached.is_set():
            self.reached.set()
            await self.free.wait()
        if self.error:
            raise self.error


def writer(written: Written) -> NoteWriter:
    return NoteWriter(cast(NoteQueries, written))


def an_attempt_with(*messages: str) -> Attempt:
    attempt = an_attempt()
    for message in messages:
        context_with(attempt.notes).log(message)
    return attempt


async def test_lines_of_all_attempts_are_written_once() -> None:
    attempts, written = [an_attempt_with("a", "b"), an_attempt_with(), an_attempt_with("c")], Written()
    for _ in range(2):
        await writer(written).write(attempts)
    assert written.lines == ["a", "b", "c"]


@pytest.mark.parametrize(("error", "left"), [(ConnectionRefusedError(), 1), (ValueError("refused"), 0)])
async def test_lines_wait_for_postgresql_and_are_dropped_if_it_refuses_them(error: Exception, left: int) -> None:
    attempt = an_attempt_with("a")
    await writer(Written(error)).write([attempt])
    assert len(attempt.notes.lines) == left


async def test_progress_is_written_with_its_attempt() -> None:
    attempt, written = an_attempt(), Written()
    context_with(attempt.notes).progress(0.5, "half")
    await writer(written).write([attempt, an_attempt()])
    ((run_id, number, progress),) = written.rest
    assert (run_id, number, progress.share, progress.text) == (attempt.run.id, attempt.run.attempt, 0.5, "half")


async def test_a_checkpoint_is_saved_once_postgresql_is_back() -> None:
    attempt, written = an_attempt(), Written(ConnectionRefusedError())
    context_with(attempt.notes).checkpoint({"row": 7})
    await writer(written).write([attempt])
    with pytest.raises(ConnectionRefusedError):
        await writer(written).save_checkpoints([attempt])
    written.error = None
    for _ in range(2):
        await writer(written).save_checkpoints([attempt])
    assert written.rest == [(attempt.run.id, attempt.run.attempt, {"row": 7})]


async def write_during_another(written: Written, attempt: Attempt, say: Callable[[Context], None]) -> None:
    """The heartbeat writes; before its write is committed, the task says something more and its attempt ends."""
    notes = writer(written)
    written.free.clear()
    beat = asyncio.create_task(notes.write([attempt]))
    await written.reached.wait()
    say(context_with(attempt.notes))
    end = asyncio.create_task(notes.write([attempt]))
    for _ in range(10):  # as long as a write takes that waits for nothing
        await asyncio.sleep(0)
    written.free.set()
    await asyncio.gather(beat, end)


async def test_a_line_is_written_once_though_its_attempt_ends_during_a_write() -> None:
    attempt, written = an_attempt_with("a"), Written()
    await write_during_another(written, attempt, lambda context: context.log("b"))
    assert written.lines == ["a", "b"]


async def test_the_last_checkpoint_is_the_last_that_is_written() -> None:
    attempt, written = an_attempt(), Written()
    context_with(attempt.notes).checkpoint(1)
    await write_during_another(written, attempt, lambda context: context.checkpoint(2))
    assert [value for *_, value in written.rest] == [1, 2]


async def test_an_attempt_without_notes_waits_for_no_write() -> None:
    attempt, silent, written = an_attempt_with("a"), an_attempt(), Written()
    notes = writer(written)
    written.free.clear()
    beat = asyncio.create_task(notes.write([attempt]))
    await written.reached.wait()
    await notes.write([silent])
    assert written.lines == []
    written.free.set()
    await beat
