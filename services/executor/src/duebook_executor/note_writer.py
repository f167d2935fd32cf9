"""Writing what tasks say of themselves to PostgreSQL, in batches: about twice a second, and before each outcome."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import structlog

from duebook_common.store.database import UNAVAILABLE
from duebook_executor.attempt import Attempt
from duebook_executor.note_queries import NoteQueries

log = structlog.stdlib.get_logger("notes")


class NoteWriter:
    """Writes what is due of each attempt.

    What PostgreSQL refuses is dropped, and so are lines and progress while it is away for long: nothing that a task
    says may prevent an outcome or a heartbeat. Only checkpoints wait for it.
    """

    def __init__(self, queries: NoteQueries) -> None:
        self._queries = queries
        # The heartbeat and the end of an attempt write in turn: else a line is written twice, or an older checkpoint
        # replaces the last one.
        self._writing = asyncio.Lock()

    async def write(self, attempts: Sequence[Attempt]) -> None:
        """Write what is due. While PostgreSQL is unavailable, lines and checkpoints stay in memory."""
        speaking = [each for each in attempts if each.notes.has_unwritten]
        if speaking:
            async with self._writing:
                await self._write_lines(speaking)
                await self._write_progress(speaking)
                await self._attempted("checkpoints", self._save_checkpoints(speaking))

    async def save_checkpoints(self, attempts: Sequence[Attempt]) -> None:
        """Write the checkpoints; raises what PostgreSQL raises while it is unavailable."""
        try:
            async with self._writing:
                await self._save_checkpoints(attempts)
        except UNAVAILABLE:
            raise
        except Exception:
            log.exception("notes of tasks dropped", kind="checkpoints")

    async def forget_checkpoints(self, attempts: Sequence[Attempt]) -> None:
        """Delete the checkpoints of these attempts' runs, which need none any more."""
        kept = [a for a in attempts if a.notes.has_checkpoint or a.assignment.last_checkpoint is not None]
        if kept:
            await self._attempted("checkpoints", self._queries.delete_checkpoints([each.run.id for each in kept]))

    async def _write_lines(self, attempts: Sequence[Attempt]) -> None:
        counts = [(attempt, len(attempt.notes.lines)) for attempt in attempts if attempt.notes.lines]
        lines = [line for attempt, count in counts for line in attempt.notes.lines[:count]]
        if lines and await self._attempted("log lines", self._queries.insert_log_lines(lines)):
            for attempt, count in counts:
                del attempt.notes.lines[:count]

    async def _write_progress(self, attempts: Sequence[Attempt]) -> None:
        due = [(a.run.id, a.run.attempt, progress) for a in attempts if (progress := a.notes.due_progress())]
        if due:
            await self._attempted("progress", self._queries.put_progress(due))

    async def _save_checkpoints(self, attempts: Sequence[Attempt]) -> None:
        unsaved = [(each, kept) for each in attempts if (kept := each.notes.unsaved_checkpoint())]
        if unsaved:
            rows = [(each.run.id, each.run.attempt, value) for each, (value,) in unsaved]
            await self._queries.put_checkpoints(rows)
            for each, kept in unsaved:
                each.notes.saved(kept)

    async def _attempted(self, kind: str, write: Awaitable[Any]) -> bool:
        """Whether it need not be written again: it is written, or PostgreSQL refuses it."""
        try:
            await write
        except UNAVAILABLE as error:
            log.warning("notes of tasks not written yet", kind=kind, error=error)
            return False
        except Exception:
            log.exception("notes of tasks dropped", kind=kind)
        return True
