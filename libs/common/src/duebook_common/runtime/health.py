"""Whether a service is alive and ready, and the routes that tell it: `/livez`, `/readyz`, `/metrics`."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from duebook_common.runtime.telemetry import DEAD_LETTER_REGISTRY

Check = Callable[[], Awaitable[object]]
PROBES = ("/livez", "/readyz", "/metrics")
_CHECK_SECONDS = 1.0


class Health:
    """The state behind `/readyz`: a check for each component, and whether the service has started or is draining.

    `waiting` has what a starting service waits for, with the reason.
    """

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self.waiting: dict[str, str] = {}
        self.started = self.draining = False

    async def report(self) -> tuple[bool, dict[str, str]]:
        """Whether the service is ready, and for each component "ok" or its error. A check has one second."""
        checks = {name: check for name, check in self.checks.items() if name not in self.waiting}
        results = await asyncio.gather(*map(self._run_check, checks.values()))
        ready = self.started and not self.draining and all(result == "ok" for result in results)
        return ready, {**dict(zip(checks, results, strict=True)), **self.waiting}

    async def _run_check(self, check: Check) -> str:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except Exception as error:
            return f"{type(error).__name__}: {error}".removesuffix(": ")
        return "ok"


async def own_metrics() -> bytes:
    """The metrics of this process, as Prometheus reads them."""
    return generate_latest() + generate_latest(DEAD_LETTER_REGISTRY)


def probes(health: Health, exposition: Callable[[], Awaitable[bytes]] = own_metrics) -> list[Route]:
    """The routes that every service has."""

    async def livez(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        ready, components = await health.report()
        status = "draining" if health.draining else "ready" if ready else "not ready"
        return JSONResponse({"status": status, "components": components}, 200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(await exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [Route(path, route) for path, route in zip(PROBES, (livez, readyz, metrics), strict=True)]
