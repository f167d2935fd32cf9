"""One child as its parent sees it: an operating system's process, where it listens, and whether it is ready."""

import asyncio
import signal
import socket
import sys
import time
from contextlib import suppress

import structlog

from duebook_executor.processes.link import READY

log = structlog.stdlib.get_logger("processes")


async def start_child(number: int) -> "ChildProcess":
    """Start a child; raises OSError if the machine has no memory or no process left.

    It gets a session of its own: Ctrl-C in a terminal must reach the parent alone, which stops it in order.
    """
    ours, theirs = socket.socketpair()
    command = (sys.executable, "-m", "duebook_executor.child", str(number), str(theirs.fileno()))
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()], start_new_session=True)
    except BaseException:
        ours.close()
        raise
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    return ChildProcess(number, process, reader, writer)


class ChildProcess:
    """A started child. `url` is None until it listens, and `ready` is set once it is ready for the first time."""

    def __init__(
        self,
        number: int,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.number, self.url, self.ready = number, None, asyncio.Event()
        self._process, self._reader, self._writer = process, reader, writer
        self._ready_at = 0.0

    url: str | None

    @property
    def seconds_ready(self) -> float | None:
        """How long it has been ready, None if it never was."""
        return time.monotonic() - self._ready_at if self.ready.is_set() else None

    async def run(self, stop: asyncio.Event, kill_after: float) -> int:
        """Wait until the child has ended, and return its exit code (negative: the signal that ended it).

        Once `stop` is set, SIGTERM lets it drain; it is killed if it still runs `kill_after` seconds later.
        """
        listening, ended = asyncio.create_task(self._listen()), asyncio.create_task(self._process.wait())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._stop(ended, kill_after)
            return await ended
        finally:
            listening.cancel()  # it would not end where a task has forked: the copy holds the child's end
            stopped.cancel()
            self._writer.close()

    async def _stop(self, ended: "asyncio.Task[int]", kill_after: float) -> None:
        with suppress(ProcessLookupError):  # it has just ended
            self._process.send_signal(signal.SIGTERM)
            await asyncio.wait({ended}, timeout=kill_after)
            if not ended.done():
                log.warning("process killed", process=self.number, reason="it did not drain within DUEBOOK_GRACE")
                self._process.kill()

    async def _listen(self) -> None:
        while line := (await self._reader.readline()).decode().strip():
            if line == READY:
                self._ready_at = time.monotonic()
                self.ready.set()
            else:
                self.url = line
