"""The parent of several processes: it executes nothing itself, and answers for its children over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import httpx2
import structlog
from prometheus_client import generate_latest
from starlette.applications import Starlette

from duebook_common.runtime.health import Check, probes
from duebook_common.runtime.service import ServiceContext, run
from duebook_executor.processes.merged_metrics import merge
from duebook_executor.processes.supervisor import Supervisor
from duebook_executor.settings import ExecutorSettings
from duebook_executor.start_line import parents_start_line

log = structlog.stdlib.get_logger("processes")

NAME = "executor-parent"
KILL_AFTER = timedelta(seconds=10)  # beyond the grace, within which an executor ends by itself
_ANSWER_SECONDS = 2.0


def run_parent(settings: ExecutorSettings) -> None:
    """Run the children until SIGTERM or SIGINT, then end the process; exit codes are those of a single executor."""
    run(NAME, settings, settings.port, lifespan)


@asynccontextmanager
async def lifespan(context: ServiceContext) -> AsyncIterator[None]:
    """Start the children; on the way out let all of them drain at once."""
    settings = context.settings
    assert isinstance(settings, ExecutorSettings)
    kill_after = (settings.grace + KILL_AFTER).total_seconds()
    supervisor = Supervisor(settings.processes, kill_after, context.loops.crashed.set)
    async with httpx2.AsyncClient(timeout=_ANSWER_SECONDS, trust_env=False) as client:
        show(context, supervisor, client)
        try:
            await supervisor.start()
            name = socket.gethostname()
            line = parents_start_line(name, settings.processes, settings.concurrency)
            log.info(line, executor=name, processes=settings.processes, concurrency=settings.concurrency)
            yield
        finally:
            await supervisor.stop()
    if supervisor.hopeless:
        raise supervisor.hopeless


def show(context: ServiceContext, supervisor: Supervisor, client: httpx2.AsyncClient) -> None:
    """Answer for the children: ready while all of them are, and with the metrics of each."""
    for number in supervisor.numbers:
        context.health.checks[f"process {number}"] = _check(supervisor, number, client)
    context.app = Starlette(routes=probes(context.health, partial(_metrics, supervisor, client)))


def _check(supervisor: Supervisor, number: int, client: httpx2.AsyncClient) -> Check:
    async def check() -> None:
        """Raise ConnectionError with the reason if the child is not ready."""
        child = supervisor.children.get(number)
        if child is None:
            raise ConnectionError("it has ended, and starts again after a pause")
        if child.url is None:
            raise ConnectionError("it is starting")
        answer = await client.get(f"{child.url}/readyz")
        if answer.status_code != 200:
            raise ConnectionError(_reason(answer.json()))

    return check


def _reason(report: dict[str, object]) -> str:
    """What the child waits for or lacks; without that, its status."""
    components = report["components"]
    assert isinstance(components, dict)
    failed = [f"{name}: {text}" for name, text in components.items() if text != "ok"]
    return "; ".join(failed) or str(report["status"])


async def _metrics(supervisor: Supervisor, client: httpx2.AsyncClient) -> bytes:
    """The metrics of the parent and of all children that answer."""
    children = {str(number): child.url for number, child in supervisor.children.items() if child.url}
    texts = await asyncio.gather(*(_metrics_of(client, url) for url in children.values()))
    found = {name: text for name, text in zip(children, texts, strict=True) if text is not None}
    return merge({"parent": generate_latest().decode(), **dict(sorted(found.items(), key=lambda each: int(each[0])))})


async def _metrics_of(client: httpx2.AsyncClient, url: str) -> str | None:
    try:
        return (await client.get(f"{url}/metrics")).text
    except httpx2.HTTPError:
        return None
