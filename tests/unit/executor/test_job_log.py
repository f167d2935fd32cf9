"""Log lines wait in memory until PostgreSQL has them, and never hold up an attempt."""

from collections.abc import Sequence
from typing import cast

import pytest

from duebook_executor.attempt import Attempt
from duebook_executor.job_log import append_line, write_log_lines
from duebook_executor.queries import ExecutorQueries, LogLine
from support.attempts import an_assignment
from support.samples import NOW


class Lines:
    """Takes the lines, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.written = error, list[str]()

    async def insert_log_lines(self, lines: Sequence[LogLine]) -> None:
        if self.error:
            raise self.error
        self.written += [line.message for line in lines]


def an_attempt(*messages: object) -> Attempt:
    assignment = an_assignment()
    attempt = Attempt(assignment.run, assignment, 0.0)
    for message in messages:
        append_line(attempt, message, NOW)
    return attempt


def texts(attempt: Attempt) -> list[str]:
    return [line.message for line in attempt.log_lines]


def test_a_line_is_kept_as_postgresql_can_store_it() -> None:
    assert texts(an_attempt(1, "a\0b", "half \ud800", "x" * 10_000)) == ["1", "a\ufffdb", "half ?", "x" * 8192]


def test_lines_beyond_the_limit_are_dropped() -> None:
    assert len(texts(an_attempt(*range(1_100)))) == 1_000


async def test_lines_of_all_attempts_are_written_once() -> None:
    attempts, lines = [an_attempt("a", "b"), an_attempt(), an_attempt("c")], Lines()
    for _ in range(2):
        await write_log_lines(cast(ExecutorQueries, lines), attempts)
    assert lines.written == ["a", "b", "c"]


@pytest.mark.parametrize(("error", "left"), [(ConnectionRefusedError(), ["a"]), (ValueError("refused"), [])])
async def test_lines_wait_for_postgresql_and_are_dropped_if_it_refuses_them(error: Exception, left: list[str]) -> None:
    attempt = an_attempt("a")
    await write_log_lines(cast(ExecutorQueries, Lines(error)), [attempt])
    assert texts(attempt) == left
