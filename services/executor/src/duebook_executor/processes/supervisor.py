"""Keeps the children of one executor running: starts them, starts those again that have ended, and stops all."""

import asyncio
import signal
from collections.abc import Callable

import structlog

from duebook_common.runtime.loops import wait_until_set
from duebook_common.runtime.startup import CannotStart
from duebook_common.runtime.telemetry import PROCESS_RESTARTS, show_at_zero
from duebook_executor.processes.child import ChildProcess, start_child
from duebook_executor.processes.restarts import Restarts

log = structlog.stdlib.get_logger("processes")


class Supervisor:
    """Children with the numbers from 1. `on_hopeless` is called when one of them fails at each of its starts."""

    def __init__(self, count: int, kill_after: float, on_hopeless: Callable[[], object]) -> None:
        self.numbers = range(1, count + 1)
        self.children: dict[int, ChildProcess] = {}
        self.hopeless: CannotStart | None = None
        self._kill_after, self._on_hopeless = kill_after, on_hopeless
        self._stop, self._first_ready = asyncio.Event(), asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []
        show_at_zero(PROCESS_RESTARTS, map(str, self.numbers))

    async def start(self) -> None:
        """Start the first child, and the others once it is ready: what is wrong for all is then said once.

        Raises CannotStart with the exit code of the first if it ends before it is ready.
        """
        first = self._start_keeper(self.numbers[0])
        ready = asyncio.create_task(self._first_ready.wait())
        await asyncio.wait({first, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self.hopeless:
            raise self.hopeless
        for number in self.numbers[1:]:
            self._start_keeper(number)

    async def stop(self) -> None:
        """Let all children drain, and wait until they have ended; what does not drain in time is killed."""
        self._stop.set()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def _start_keeper(self, number: int) -> "asyncio.Task[None]":
        keeper = asyncio.create_task(self._keep(number))
        keeper.add_done_callback(self._on_end)
        self._keepers.append(keeper)
        return keeper

    def _on_end(self, keeper: "asyncio.Task[None]") -> None:
        if not keeper.cancelled() and (error := keeper.exception()):
            log.error("a process is no longer kept running", error=error, exc_info=error)
            self.hopeless = CannotStart(f"a process of this executor cannot be kept running: {error!r}", exit_code=1)
            self._on_hopeless()

    async def _keep(self, number: int) -> None:
        """Run one child after the other, until all are stopped or another start would be of no use."""
        restarts = Restarts()
        while not self._stop.is_set():
            code, seconds_ready = await self._run(number)
            if self._stop.is_set():
                return
            restarts = restarts.after(seconds_ready)
            if not self._first_ready.is_set() or (restarts.hopeless and not self._is_any_ready()):
                self._give_up(number, code)
                return
            log.warning("process ended", process=number, **_how(code), restarts_in_seconds=restarts.pause)
            await wait_until_set(self._stop, restarts.pause)
            PROCESS_RESTARTS.labels(str(number)).inc()

    def _is_any_ready(self) -> bool:
        """Whether another child works: what keeps one from starting, such as too little memory, may pass."""
        return any(child.ready.is_set() for child in self.children.values())

    async def _run(self, number: int) -> tuple[int, float | None]:
        """Run one child; returns its exit code, and for how long it was ready."""
        try:
            child = await start_child(number)
        except OSError as error:
            log.warning("process cannot be started", process=number, error=error)
            return 1, None
        self.children[number] = child
        noting = asyncio.create_task(self._note_ready(child))
        try:
            return await child.run(self._stop, self._kill_after), child.seconds_ready
        finally:
            noting.cancel()
            del self.children[number]

    async def _note_ready(self, child: ChildProcess) -> None:
        await child.ready.wait()
        self._first_ready.set()

    def _give_up(self, number: int, code: int) -> None:
        reason = f"process {number} of this executor {_ended(code)} before it was ready; its own lines say why"
        self.hopeless = CannotStart(reason, exit_code=code if code > 0 else 1)
        self._on_hopeless()


def _how(code: int) -> dict[str, object]:
    return {"signal": signal.Signals(-code).name} if code < 0 else {"exit_code": code}


def _ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
