"""How a service runs: logging, its HTTP server, signals, and an orderly end."""

import asyncio
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from datetime import timedelta
from typing import Any

import structlog
import uvloop
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from duebook_common.runtime import timezones
from duebook_common.runtime.connections import MOST_PROBES
from duebook_common.runtime.health import PROBES, Health, probes
from duebook_common.runtime.http_server import HttpServer
from duebook_common.runtime.loops import Loops, wait_until_set
from duebook_common.runtime.settings import Settings
from duebook_common.runtime.startup import CannotStart
from duebook_common.runtime.telemetry import configure, show_only_own_metrics
from duebook_common.runtime.variables import unknown

log = structlog.stdlib.get_logger("service")

_START_SECONDS = 5.0  # a request that comes before the service is ready waits so long for it
_LAST_PROBES = timedelta(seconds=5)


class ServiceContext:
    """What a service's lifespan works with: its settings, its health, its supervised loops and its ASGI app.

    `facts` stand in the line that says that the service is ready.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.health = Health()
        self.loops = Loops()
        self.app: ASGIApp = Starlette(routes=probes(self.health))
        self.facts: dict[str, object] = {}
        self.http: HttpServer | None = None
        self._start_ended = asyncio.Event()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; other requests than probes wait for the start of the service, but not for long."""
        if not self._start_ended.is_set() and scope.get("path") not in PROBES:
            await wait_until_set(self._start_ended, _START_SECONDS)
        await self.app(scope, receive, send)  # looked up for each request: the api replaces it during its start

    def end_start(self, *, started: bool) -> None:
        self.health.started = started
        self._start_ended.set()

    async def finish_requests(self, grace: timedelta) -> None:
        """Take no further request and finish those under way: to be called while they can still be answered."""
        if self.http is not None:
            await self.http.stop(grace)


Lifespan = Callable[[ServiceContext], AbstractAsyncContextManager[None]]


def run(name: str, settings: Settings, port: int, lifespan: Lifespan, connections: int = MOST_PROBES) -> None:
    """Run a service until SIGTERM or SIGINT, then end the process.

    The service is ready once `lifespan` is entered; at the signal it becomes unready and `lifespan` is left. Probes
    answer all the time, so that a starting or draining service can be seen. The exit code is 2 if a setting is wrong,
    1 if a loop crashed or the service could not start, else 0.
    """
    timezones.pin()
    configure(name, settings.log_format, settings.log_level, contents=settings.log_contents == "on")
    show_only_own_metrics(name)
    for variable, near in unknown(os.environ):
        meant = f"did you mean {near}?" if near else "Duebook has no variable of this name"
        log.warning("unknown variable", variable=variable, remedy=meant)
    # A batch makes many objects that all live until its end; with the default thresholds the collector would traverse
    # them again and again, for a fifth of the CPU. Imported modules are never garbage.
    gc.collect()
    return_memory()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_serve(name, settings, port, lifespan, connections)))


def return_memory() -> None:
    """Give back to the system what the imports no longer need, where the C library can: some MiB in each process."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


async def _serve(name: str, settings: Settings, port: int, lifespan: Lifespan, connections: int) -> int:
    context, stop = ServiceContext(settings), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        context.http = HttpServer(context.answer, settings.host, port, connections)
        await context.http.start()
        try:
            await _live_until(stop, _live(name, context, lifespan, stop), context)
        finally:
            context.end_start(started=context.health.started)
            await context.finish_requests(_LAST_PROBES)
    except CannotStart as error:
        log.error("cannot start", service=name, reason=str(error))  # noqa: TRY400 - the reason says all
        return error.exit_code
    except Exception as error:
        log.exception("service failed", service=name, error=error)
        return 1
    log.info("drained", service=name)
    return int(context.loops.crashed.is_set())


async def _live(name: str, context: ServiceContext, lifespan: Lifespan, stop: asyncio.Event) -> None:
    async with lifespan(context):
        context.end_start(started=True)
        url = context.http.url if context.http else None
        log.info("ready", service=name, url=url, **context.facts)
        await _wait_for_any(stop, context.loops.crashed)
        context.health.draining = True
        log.info("draining", service=name)


async def _live_until(stop: asyncio.Event, live: Coroutine[Any, Any, None], context: ServiceContext) -> None:
    """Run the service; a signal that comes during its start ends the start, for there is nothing to drain."""
    living, stopped = asyncio.create_task(live), asyncio.create_task(stop.wait())
    await asyncio.wait({living, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not context.health.started:
        living.cancel()
    await asyncio.wait({living})
    if not living.cancelled():
        living.result()


async def _wait_for_any(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in waits:
        task.cancel()
