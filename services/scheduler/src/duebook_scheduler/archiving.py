"""The loop that archives: one period after the other leaves the database once it is older than the retention.

And what was erased leaves the archives.
"""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import structlog

from duebook_common.archives.archiver import Archiver, NotArchived
from duebook_common.archives.errors import TargetUnavailable
from duebook_common.archives.rewriter import Rewriter, RewriterResult
from duebook_common.archives.settings import ArchiveSettings
from duebook_common.archives.targets import open_target
from duebook_common.runtime.loops import count_failure
from duebook_common.runtime.pacing import Pace
from duebook_common.runtime.telemetry import ARCHIVE_OVERDUE, ARCHIVED_EVENTS, ARCHIVES, ERASURE_OVERDUE
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool

log = structlog.stdlib.get_logger("archives")

T = TypeVar("T")

_REST, _REST_WHILE_LATE = 2, 4  # a core for a third of the time at most, and for a fifth while runs are late
_WARN_AGAIN = 3600.0  # seconds
# What the log says, by which the last reason is known.
_LATER, _STAY = "the period is archived later", "contents stay in an archive"


class _Warning(NamedTuple):
    """A reason that was logged `at` this time of the monotonic clock."""

    reason: str
    at: float


class ArchiveKeeper:
    """Any number of schedulers may run it; one at a time archives, and more slowly while `is_late` says so of runs."""

    def __init__(self, pool: Pool, settings: ArchiveSettings, actor: Actor, is_late: Callable[[], bool]) -> None:
        assert settings.archive_url is not None
        target = open_target(settings.archive_url)
        pace = Pace(_REST, _REST_WHILE_LATE, is_late)
        self._archiver, self._rewriter = Archiver(pool, target, actor, pace), Rewriter(pool, target, actor, pace)
        self._retention = settings.retention
        self._warnings: dict[str, _Warning] = {}

    async def step(self) -> int:
        """Archive one period, if one is due, and let erasures reach the archives; returns 1 if a period has left.

        A target that refuses is no failed step: an operator has to mend it, and needs one line and no traceback.
        """
        return await _followed_by(self._archive(), self._rewrite)  # an archive that fails keeps no erasure back

    async def _archive(self) -> int:
        began = time.monotonic()
        try:
            archived = await _followed_by(self._archiver.archive_due(self._retention), self._show_overdue)
        except (NotArchived, TargetUnavailable) as error:
            self._warn(_LATER, error)
            return 0
        if archived is None:  # also if another process archives, and fails perhaps
            return 0
        self._warnings.pop(_LATER, None)
        ARCHIVES.inc()
        ARCHIVED_EVENTS.inc(archived.events)
        log.info("a period was archived", period=archived.period, events=archived.events, bytes=archived.bytes,
                 seconds=round(time.monotonic() - began, 1))  # fmt: skip
        return 1

    async def _rewrite(self) -> None:
        try:
            await _followed_by(self._rewriter.rewrite_due(_log_rewritten), self._show_erasure_overdue)
        except (NotArchived, TargetUnavailable) as error:
            self._warn(_STAY, error)
        else:
            self._warnings.pop(_STAY, None)

    def _warn(self, message: str, error: Exception) -> None:
        """Log the reason once, and again each hour as long as it lasts."""
        if isinstance(error, TargetUnavailable):
            count_failure("archives")
        last, now = self._warnings.get(message), time.monotonic()
        if last is None or last.reason != str(error) or now - last.at > _WARN_AGAIN:
            self._warnings[message] = _Warning(str(error), now)
            log.warning(message, reason=str(error))

    async def _show_overdue(self) -> None:
        ARCHIVE_OVERDUE.set(await self._archiver.overdue(self._retention))

    async def _show_erasure_overdue(self) -> None:
        ERASURE_OVERDUE.set(await self._rewriter.overdue())


async def _followed_by(work: Awaitable[T], last: Callable[[], Awaitable[None]]) -> T:
    """Await the work and then `last`, also if the work fails; but what is cancelled ends at once."""
    try:
        result = await work
    except Exception:
        await last()
        raise
    await last()
    return result


def _log_rewritten(result: RewriterResult) -> None:
    archive = result.archive
    if result.rewritten:
        log.info("contents were erased from an archive", period=archive.period, bytes=archive.bytes)
    else:
        log.info("old files of an archive were deleted", period=archive.period, files=result.deleted)
