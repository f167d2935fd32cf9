"""What a process logs of an error has no contents, unless a setting asks for them."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
import structlog

from duebook_common.domain.errors import JobKeyTaken
from duebook_common.runtime.log_errors import Contents, described
from duebook_common.runtime.telemetry import configure
from duebook_executor.task_loop import TooManyGivenUp

SECRET = "jane@example.com"


def refused_row() -> asyncpg.PostgresError:
    """As PostgreSQL quotes the row that it refuses."""
    fields = {
        "C": "23514",
        "M": f"new row {SECRET} violates a constraint",
        "D": f"Failing row contains ({SECRET}).",
        "t": "runs",
    }
    error = asyncpg.PostgresError.new(fields)
    assert SECRET in str(error)
    return error


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class _OfATask(ConnectionError):
    """Of a module of a user, or of a library that a task calls."""


def refused_argument() -> Exception:
    """As the driver of PostgreSQL quotes an argument that it cannot send."""
    bases = (asyncpg.InterfaceError, ValueError)
    error: Exception = type("DataError", bases, {"__module__": "asyncpg.exceptions._base"})(SECRET)
    return error


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        refused_row(),
        refused_argument(),
        _OfATask(SECRET),
        RuntimeError(SECRET),
        ExceptionGroup(SECRET, [KeyError(SECRET)]),
    ],
)
def test_an_error_that_may_quote_contents_is_named_only(error: Exception) -> None:
    assert SECRET not in described(error)
    assert described(error).startswith(type(error).__name__)
    assert SECRET in described(error, contents=True)


def test_postgresql_says_which_table_refused() -> None:
    assert described(refused_row()) == "CheckViolationError sqlstate=23514 table_name=runs"


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("no one listens"),
        TooManyGivenUp("10 tasks"),
        JobKeyTaken(),
        asyncpg.InterfaceError("closed"),
    ],
)
def test_an_error_of_a_connection_or_a_state_keeps_its_text(error: Exception) -> None:
    assert str(error) in described(error)


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_line_has_contents(style: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure("test", style, "info")
    write_lines()
    written = capsys.readouterr().err
    assert SECRET not in written
    for text in ("attempt failed", "test_log_errors.py", "raise ValueError", "CheckViolationError", "no retry", "kept"):
        assert text in written, text


def test_a_setting_lets_lines_have_contents(capsys: pytest.CaptureFixture[str]) -> None:
    configure("test", "json", "info", contents=True)
    write_lines()
    failed, *_ = found = lines(capsys)
    assert failed["error"] == SECRET
    assert all(SECRET in json.dumps(line) for line in found)


def write_lines() -> None:
    """A failed attempt, errors with their traceback, what another library logs, and what asyncio says of a future."""
    log = structlog.stdlib.get_logger("test")
    log.info("attempt failed", kind="kept", error=Contents(SECRET))
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            raise refused_row() from error
    except asyncpg.PostgresError as error:
        log.exception("no retry", error=error)
        logging.getLogger("library").exception("another")
    logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: ValueError({SECRET!r})")  # noqa: G004
