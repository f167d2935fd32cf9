"""What tasks say waits in memory until PostgreSQL has it, and never holds up an attempt."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from duebook_executor.attempt import Attempt
from duebook_executor.note_queries import LogLine, NoteQueries
from duebook_executor.note_writer import NoteWriter
from support.attempts import an_attempt
from support.executions import context_with


class Written:
    """Takes what is written, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.lines, self.rest = error, list[str](), list[Any]()

    async def insert_log_lines(self, lines: Sequence[LogLine]) -> None:
        self._fail()
        self.lines += [line.message for line in lines]

    async def put_progress(self, rows: Sequence[Any]) -> None:
        self._fail()
        self.rest += rows

    async def put_checkpoints(self, rows: Sequence[Any]) -> None:
        self._fail()
        self.rest += rows

    def _fail(self) -> None:
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
