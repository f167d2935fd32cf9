"""What one attempt says of itself, in memory until PostgreSQL has it. Tasks call it from threads of their own."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from duebook.context import Line, Progress
from duebook.json_values import size
from duebook_common.domain.run.state import Run
from duebook_executor.note_queries import LogLine

MOST_LINES = 10_000
"""Log lines of one attempt."""
MOST_UNWRITTEN = 1_000
"""Log lines of one attempt that wait for PostgreSQL."""
MOST_BYTES = 4 * 1024 * 1024
"""Bytes of all log lines of one attempt."""
PROGRESS_SECONDS = 1.0
"""The least time between two progresses of one attempt in PostgreSQL."""

_DROPPED = "{:,} log lines were dropped: an attempt has at most {:,} lines and {} MiB, and {:,} between two writes"


class Notes:
    """The sink of one attempt's context. After `finish` whatever its task says is dropped."""

    def __init__(self, run: Run, now: Callable[[], datetime]) -> None:
        self._run, self._now, self._lock = run, now, threading.Lock()
        self._count = self._bytes = self._dropped = 0
        self._open, self._written_at = True, -PROGRESS_SECONDS
        self._progress: Progress | None = None
        self._checkpoint: tuple[Any] | None = None
        self.lines: list[LogLine] = []
        self.has_checkpoint = False

    def log(self, line: Line) -> None:
        """Keep a line, unless the attempt has too many."""
        bytes_ = len(line.message.encode()) + size(line.fields)
        with self._lock:
            if not self._open:
                return
            if self._count >= MOST_LINES or self._bytes + bytes_ > MOST_BYTES or len(self.lines) >= MOST_UNWRITTEN:
                self._dropped += 1
                return
            self._count, self._bytes = self._count + 1, self._bytes + bytes_
            self.lines.append(self._stored(line))

    def progress(self, progress: Progress) -> None:
        """Keep the last one."""
        with self._lock:
            if self._open:
                self._progress = progress

    def checkpoint(self, value: Any) -> None:
        """Keep the last one. The value is plain JSON."""
        with self._lock:
            if self._open:
                self._checkpoint, self.has_checkpoint = (value,), True

    def finish(self) -> None:
        """The task's work is over; if lines were dropped, the last line says so."""
        with self._lock:
            if self._open and self._dropped:
                text = _DROPPED.format(self._dropped, MOST_LINES, MOST_BYTES // 1024**2, MOST_UNWRITTEN)
                self.lines.append(self._stored(Line(text, "warning", {})))
            self._open = False

    @property
    def has_unwritten(self) -> bool:
        """Whether anything waits for PostgreSQL."""
        return bool(self.lines) or self._progress is not None or self._checkpoint is not None

    def due_progress(self) -> Progress | None:
        """The progress to write now: none within a second after the last one, unless the work is over."""
        now = time.monotonic()
        with self._lock:
            if self._open and now - self._written_at < PROGRESS_SECONDS:
                return None
            progress, self._progress = self._progress, None
            if progress is not None:
                self._written_at = now
            return progress

    def unsaved_checkpoint(self) -> tuple[Any] | None:
        """The checkpoint that PostgreSQL does not have, in a tuple, for it may be None."""
        return self._checkpoint

    def saved(self, checkpoint: tuple[Any]) -> None:
        """PostgreSQL has this one; a later one is still to be saved."""
        with self._lock:
            if self._checkpoint is checkpoint:
                self._checkpoint = None

    def _stored(self, line: Line) -> LogLine:
        run = self._run
        return LogLine(run.job_id, run.id, run.attempt, line.message, line.level, line.fields, self._now())
