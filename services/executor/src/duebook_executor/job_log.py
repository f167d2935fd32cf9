"""The job log: lines that tasks write by `Context.log` are kept in memory and written to PostgreSQL in batches."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from duebook_common.store.database import UNAVAILABLE
from duebook_executor.attempt import Attempt
from duebook_executor.queries import ExecutorQueries, LogLine

log = structlog.stdlib.get_logger("job_log")

_MOST_LINES, _LONGEST_LINE = 1000, 8192  # unwritten lines of one attempt, characters


def append_line(attempt: Attempt, message: object, now: datetime) -> None:
    """Keep one line as PostgreSQL can store it; further lines are dropped while too many are unwritten."""
    if len(attempt.log_lines) < _MOST_LINES:
        run, text = attempt.run, str(message).replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        attempt.log_lines.append(LogLine(run.job_id, run.id, run.attempt, text[:_LONGEST_LINE], now))


async def write_log_lines(queries: ExecutorQueries, attempts: Sequence[Attempt]) -> None:
    """Write the lines of these attempts. They stay in memory while PostgreSQL is unavailable.

    Lines that PostgreSQL refuses are dropped: a log line must not prevent an outcome or a heartbeat.
    """
    counts = [(attempt, len(attempt.log_lines)) for attempt in attempts if attempt.log_lines]
    lines = [line for attempt, count in counts for line in attempt.log_lines[:count]]
    if not lines:
        return
    try:
        await queries.insert_log_lines(lines)
    except UNAVAILABLE as error:
        log.warning("log lines not written yet", lines=len(lines), error=repr(error))
        return
    except Exception:
        log.exception("log lines dropped", lines=len(lines))
    for attempt, count in counts:
        del attempt.log_lines[:count]
