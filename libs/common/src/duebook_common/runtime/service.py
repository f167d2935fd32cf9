"""How a service runs: logging, an HTTP server with probes and metrics, signals, and an orderly end."""

import asyncio
import gc
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import structlog
import uuid_utils.compat as uuids
import uvicorn
import uvloop
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from duebook_common.runtime import timezones
from duebook_common.runtime.loops import Loops
from duebook_common.runtime.settings import Settings
from duebook_common.runtime.telemetry import DEAD_LETTER_REGISTRY, configure

log = structlog.stdlib.get_logger("service")

Check = Callable[[], Awaitable[object]]
_CHECK_SECONDS = 1.0


class Health:
    """The state behind `/readyz`: a check for each component, and whether the service has started or is draining."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self.started = self.draining = False

    async def report(self) -> tuple[bool, dict[str, str]]:
        """Whether the service is ready, and for each component "ok" or its error. A check has one second."""
        results = await asyncio.gather(*map(self._run_check, self.checks.values()))
        ready = self.started and not self.draining and all(result == "ok" for result in results)
        return ready, dict(zip(self.checks, results, strict=True))

    async def _run_check(self, check: Check) -> str:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except Exception as error:
            return f"{type(error).__name__}: {error}".removesuffix(": ")
        return "ok"


def probes(health: Health) -> list[Route]:
    """The routes that every service has: `/livez`, `/readyz`, `/metrics`."""

    async def livez(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        ready, components = await health.report()
        status = "draining" if health.draining else "ready" if ready else "not ready"
        return JSONResponse({"status": status, "components": components}, 200 if ready else 503)

    async def metrics(_: Request) -> Response:
        text = generate_latest() + generate_latest(DEAD_LETTER_REGISTRY)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]


class ServiceContext:
    """What a service's lifespan works with: its settings, its health, its supervised loops and its ASGI app."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.health = Health()
        self.loops = Loops()
        self.app: ASGIApp = Starlette(routes=probes(self.health))


Lifespan = Callable[[ServiceContext], AbstractAsyncContextManager[None]]


def run(name: str, settings: Settings, port: int, lifespan: Lifespan) -> None:
    """Run a service until SIGTERM or SIGINT, then end the process.

    The service is ready once `lifespan` is entered; at the signal it becomes unready and `lifespan` is left. Probes
    answer all the time, so that a starting or draining service can be seen. The exit code is 1 if a loop crashed or
    the service could not start, else 0.
    """
    timezones.pin()
    configure(name, settings.log_format, settings.log_level)
    # A batch makes many objects that all live until its end; with the default thresholds the collector would traverse
    # them again and again, for a fifth of the CPU. Imported modules are never garbage.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_serve(name, settings, port, lifespan)))


async def _serve(name: str, settings: Settings, port: int, lifespan: Lifespan) -> int:
    context, stop = ServiceContext(settings), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with _http(context, settings.host, port), lifespan(context):
            context.health.started = True
            log.info("ready", service=name, url=f"http://{settings.host}:{port}")
            await _wait_for_any(stop, context.loops.crashed)
            context.health.draining = True
            log.info("draining", service=name)
    except Exception as error:
        log.exception("service failed", service=name, error=repr(error))
        return 1
    log.info("drained", service=name)
    return int(context.loops.crashed.is_set())


async def _wait_for_any(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in waits:
        task.cancel()


class _Protocol(HttpToolsProtocol):
    """Answers what is not HTTP in the shape of every other error."""

    def send_400_response(self, msg: str) -> None:
        problem = {
            "type": "https://duebook.dev/problems/broken_http",
            "title": "Bad Request",
            "status": 400,
            "detail": f"this is not a valid HTTP/1.1 request: {msg}",
            "instance": f"urn:uuid:{uuids.uuid7()}",
            "code": "broken_http",
        }
        body = json.dumps(problem).encode()
        head = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head.encode() + body)
        self.transport.close()


class _Server(uvicorn.Server):
    """A server without signal handlers: `_serve` has them."""

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
async def _http(context: ServiceContext, host: str, port: int) -> AsyncIterator[None]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await context.app(scope, receive, send)  # looked up for each request: the api replaces it during its start

    config = uvicorn.Config(
        app, http=_Protocol, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5
    )
    server, listener = _Server(config), _listen(host, port)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
