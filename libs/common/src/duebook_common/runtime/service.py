"""A service's frame: logging, HTTP for probes and metrics, signals, and an orderly end."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import structlog
import uvicorn
import uvloop
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from duebook_common.runtime import timezones
from duebook_common.runtime.loops import Loops
from duebook_common.runtime.settings import Settings
from duebook_common.runtime.telemetry import RESTING, configure

log = structlog.stdlib.get_logger("service")

Check = Callable[[], Awaitable[object]]
_CHECK_SECONDS = 1.0


class Health:
    """What `/readyz` asks: one check for each component, each at most a second long."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self.started = self.draining = False

    async def report(self) -> tuple[bool, dict[str, str]]:
        """Whether the service is ready, and a word for each component."""
        answers = await asyncio.gather(*map(self._ask, self.checks.values()))
        components = dict(zip(self.checks, answers, strict=True))
        ready = self.started and not self.draining and all(answer == "ok" for answer in answers)
        return ready, components

    async def _ask(self, check: Check) -> str:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except Exception as error:
            return f"{type(error).__name__}: {error}".removesuffix(": ")
        return "ok"


def probes(health: Health) -> list[Route]:
    """The routes that every service answers."""

    async def livez(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        ready, components = await health.report()
        status = "draining" if health.draining else "ready" if ready else "not ready"
        return JSONResponse({"status": status, "components": components}, 200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest() + generate_latest(RESTING), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]


class ServiceContext:
    """What a service's body works with: its health, its supervised loops."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.health = Health()
        self.loops = Loops()
        self.app: ASGIApp = Starlette(routes=probes(self.health))


Lifespan = Callable[[ServiceContext], AbstractAsyncContextManager[None]]


def run(name: str, settings: Settings, port: int, body: Lifespan) -> None:
    """Run a service until SIGTERM or SIGINT: unready until `body` is entered, and again before it is left.

    Probes answer from the very beginning to the very end, so that a starting or draining service can be seen.
    Ends the process with exit code 1 where a loop crashed or the service could not start.
    """
    timezones.pin()
    configure(name, settings.log_format, settings.log_level)
    # A batch makes many objects that all live until its end: looking through them again and again would cost a
    # fifth of the CPU. What was imported stays anyway.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_serve(name, settings, port, body)))


async def _serve(name: str, settings: Settings, port: int, body: Lifespan) -> int:
    frame, stop = ServiceContext(settings), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with _http(frame, settings.host, port), body(frame):
            frame.health.started = True
            log.info("ready", service=name, url=f"http://{settings.host}:{port}")
            await _first(stop, frame.loops.crashed)
            frame.health.draining = True
            log.info("draining", service=name)
    except Exception as error:
        log.exception("stopped", service=name, error=repr(error))
        return 1
    log.info("drained", service=name)
    return int(frame.loops.crashed.is_set())


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in waits:
        task.cancel()


class _Server(uvicorn.Server):
    """Signals are the frame's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}; set DUEBOOK_HOST and DUEBOOK_PORT") from None


@asynccontextmanager
async def _http(frame: ServiceContext, host: str, port: int) -> AsyncIterator[None]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await frame.app(scope, receive, send)  # the one of this moment: the api puts its own there

    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5)
    server, listener = _Server(config), _listen(host, port)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
