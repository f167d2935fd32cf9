"""Keeps a local stack running: a process that crashed is started again, one that was stopped stays stopped.

PostgreSQL may be restarted by `pg_ctl restart` too: the new process takes the place of the one that was stopped.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from duebook_devstack.processes import ProcessDied
from duebook_devstack.server import ExternalServer, Server
from duebook_devstack.services import Service

_MOST_CRASHES, _HEALTHY_SECONDS = 5, 60


class Supervisor:
    """Looks after the servers and services of a stack."""

    def __init__(
        self,
        parts: Sequence[Service | Server | ExternalServer],
        report: Callable[[str], None],
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = [part for part in parts if not isinstance(part, ExternalServer)]
        self._report, self._pause, self._clock = report, pause, clock
        self._crashes = dict.fromkeys((part.name for part in self._parts), 0)  # since the last one that ran for long
        self._started_at = dict.fromkeys(self._crashes, clock())

    def step(self) -> None:
        """Look at each process once. Raises ProcessDied for one that crashed too often."""
        for part in self._parts:
            if part.process is None and part.adopt():
                self._report(f"{part.name} was started again by others, and is looked after as before")
            code = part.process.exit_code if part.process else None
            if code == 0:
                part.stop()
                self._report(f"{part.name} was stopped, and stays so until the next start of the stack")
            elif code is not None:
                self._start_again(part, code)

    def _start_again(self, part: Service | Server, code: int) -> None:
        if self._clock() - self._started_at[part.name] >= _HEALTHY_SECONDS:
            self._crashes[part.name] = 0
        if self._crashes[part.name] >= _MOST_CRASHES:
            part.check()
        self._report(f"{part.name} ended with exit code {code}, and is started again")
        self._pause(self._crashes[part.name])  # what PostgreSQL leaves behind is gone soon
        self._crashes[part.name] += 1
        part.kill()
        with suppress(ProcessDied, OSError):  # the next look counts it; a slow recovery goes on
            part.start()
        self._started_at[part.name] = self._clock()
