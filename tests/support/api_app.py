"""The api in this process, on a real database, and helpers that bring runs into a state."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import httpx2
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.routing import Match

from duebook_api.access.api_keys import ApiKeys
from duebook_api.app import _ROUTERS, build
from duebook_api.console.config import ConsoleConfig
from duebook_api.state.create_batcher import JobCreateBatcher
from duebook_api.state.dependencies import Dependencies
from duebook_api.state.feed import Feed
from duebook_api.state.side_process import SideProcess
from duebook_common.domain.run.commands import FailAttempt, RunCommand, StartAttempt
from duebook_common.runtime.health import Health
from duebook_common.runtime.hints import Hints
from duebook_common.store.actor import Actor
from duebook_common.store.database import Clock, connect
from duebook_common.store.run_handling import RunWork, handle_runs

NO_REDIS = "redis://127.0.0.1:1/0"
FUTURE = "2100-01-01T00:00:00Z"
JSON = {"content-type": "application/json"}  # for bodies that are sent as bytes


@dataclass
class Api:
    http: httpx2.AsyncClient
    deps: Dependencies

    async def create(self, **fields: Any) -> Any:
        return await self.json(201, "POST", "/api/job", {"name": "a job", "scheduled_at": FUTURE} | fields)

    async def json(self, status: int, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of the answer, whose status is asserted and whose schema is checked; `_` in a header means `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.http.request(method, path, json=body, headers=named)
        assert answer.status_code == status, answer.text
        if answer.is_success and answer.content and (schema := answer_schema(method, path, status)) is not None:
            schema.validate_json(answer.content, extra="forbid")
        value: Any = answer.json() if answer.content else None
        return value

    async def pages(self, path: str, limit: int) -> list[dict[str, Any]]:
        """All items of a list, page by page."""
        items, cursor = [], ""
        while True:
            page = await self.json(200, "GET", f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}")
            assert len(page["items"]) <= limit
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = f"&cursor={page['next_cursor']}"

    def pass_time(self, time: timedelta) -> None:
        assert self.deps.clock._offset is not None
        self.deps.clock._offset += time.total_seconds()

    async def execute(self, run_id: str, *commands: RunCommand) -> None:
        for command in commands:
            [result] = await handle_runs(self.deps.pool, [RunWork(UUID(run_id), command)], Actor("test"))
            assert result.events, result

    async def dead_letter(self, error: str = "boom", **fields: Any) -> dict[str, Any]:
        """A dead-lettered run."""
        job = await self.create(**fields)
        return await self.dead_letter_of(job["id"], error)

    async def dead_letter_of(self, job_id: str, error: str = "boom") -> dict[str, Any]:
        """A dead-lettered run of this job."""
        run = await self.json(202, "POST", f"/api/job/{job_id}/trigger")
        await self.execute(run["id"], *fail_for_good(error))
        shown: dict[str, Any] = await self.json(200, "GET", f"/api/run/{run['id']}")
        return shown


@cache
def answer_schema(method: str, path: str, status: int) -> TypeAdapter[Any] | None:
    """The schema of the answer to a request, from the OpenAPI document."""
    scope = {"type": "http", "method": method, "path": path.partition("?")[0]}
    for route in (route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute)):
        if route.matches(scope)[0] is Match.FULL:
            return TypeAdapter(route.responses.get(status, {}).get("model", route.response_model))
    return None


def fail_for_good(error: str, dispatch: int = 0, attempt: int = 1) -> tuple[RunCommand, ...]:
    now = datetime.now(UTC)
    return (
        StartAttempt(dispatch, "executor-1", timedelta(seconds=30), now),
        FailAttempt(attempt, error, now, chance=0.5, retry=False),
    )


@asynccontextmanager
async def running_api(
    postgres_url: str, redis_url: str = NO_REDIS, *, key: str | None = None, base_path: str = "", **limits: Any
) -> AsyncIterator[Api]:
    async with connect(postgres_url, "test", 10) as pool:
        clock, hints = Clock(), Hints(redis_url)
        await clock.measure(pool)
        kept = JobCreateBatcher(pool), Feed(pool), SideProcess(postgres_url)
        deps = Dependencies(pool, clock, hints, timedelta(minutes=1), *kept, **limits)
        console = ConsoleConfig(base_path, needs_key=key is not None)
        app = build(deps, Health(), ApiKeys(pool, key) if key else None, console=console)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=JSON) as http:
            yield Api(http, deps)
        await hints.close()


def assert_problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The body of an error of this status and code, whose shape is that of all errors."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert {"type", "title", "detail", "instance"} <= set(problem)
    return problem
