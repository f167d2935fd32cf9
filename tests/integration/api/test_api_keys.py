"""API keys: their scopes, secrets, revocation and expiry."""

from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from duebook_api import app
from duebook_api.access import api_keys
from duebook_api.access.permits import ANY_KEY, required_scope
from duebook_common.runtime.health import Health
from duebook_common.runtime.scopes import Scope, allowed
from support.api_app import Api, running_api
from support.api_keys import FIRST, add_key

REQUIRED = {
    "jobs:read": """
        GET /api/job
        GET /api/job/{job_id}
        GET /api/job/{job_id}/events
        GET /api/job/{job_id}/ledger
        GET /api/job/{job_id}/ledger/summary
        GET /api/job/{job_id}/why
        POST /api/schedule/preview
        POST /api/schedule/forecast
    """,
    "jobs:write": """
        POST /api/job
        POST /api/job/batch
        PUT /api/job/{job_id}
        PATCH /api/job/{job_id}
        DELETE /api/job/{job_id}
        POST /api/job/{job_id}/pause
        POST /api/job/{job_id}/resume
    """,
    "runs:read": """
        GET /api/overview
        GET /api/run
        GET /api/run/{run_id}
        GET /api/run/{run_id}/events
        GET /api/run/{run_id}/why
        GET /api/job/{job_id}/runs
    """,
    "runs:write": """
        POST /api/job/{job_id}/trigger
        POST /api/job/{job_id}/backfill
        POST /api/run/{run_id}/cancel
        POST /api/run/{run_id}/rerun
    """,
    "dead-letters:read": """
        GET /api/dead-letter
        GET /api/dead-letter/groups
        GET /api/dead-letter/{run_id}
    """,
    "dead-letters:write": """
        POST /api/dead-letter/redrive
        POST /api/dead-letter/{run_id}/redrive
        POST /api/dead-letter/{run_id}/discard
    """,
    "logs:read": """
        GET /api/job-log
        GET /api/job-log/job/{job_id}
        GET /api/job-log/{log_id}
    """,
    "events:read": """
        GET /api/events
        GET /api/events/stream
    """,
    "queues:read": """
        GET /api/queue
        GET /api/queue/{queue_name}
    """,
    "queues:write": """
        POST /api/queue/{queue_name}/pause
        POST /api/queue/{queue_name}/resume
        POST /api/freeze
        POST /api/thaw
    """,
    "mails:read": """
        GET /api/notification
        GET /api/notification/{notification_id}
    """,
    "mails:write": """
        POST /api/notification/{notification_id}/resend
    """,
    "system:read": """
        GET /api/executor
        GET /api/executor/{executor_id}
        GET /api/task
        GET /api/task/{task_name}
        GET /api/system
        GET /api/stats
    """,
    "erase": """
        POST /api/run/{run_id}/erase
        POST /api/job/{job_id}/erase
    """,
    "keys": """
        GET /api/key
        POST /api/key
        POST /api/key/{key_id}/revoke
        GET /api/audit
    """,
    ANY_KEY: """
        GET /api/bulk
        POST /api/bulk
        GET /api/bulk/{bulk_id}
        POST /api/bulk/{bulk_id}/abort
        GET /api/whoami
    """,
}
IDS = dict.fromkeys(("job_id", "run_id", "bulk_id"), UUID(int=0))
IN_PATHS = {
    **IDS,
    "log_id": "0-0",
    "executor_id": "x",
    "task_name": "x",
    "key_id": "x",
    "notification_id": "x",
    "queue_name": "x",
}
ROUTES = {route.strip(): scope for scope, routes in REQUIRED.items() for route in routes.strip().splitlines()}


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url, key=FIRST) as api:
        yield api


def declared() -> dict[str, str]:
    routes = [route for router in app._ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return {
        f"{method} {route.path_format}": required_scope(route) for route in routes for method in route.methods or ()
    }


def test_every_route_declares_its_scope() -> None:
    by_key = {"PUT /api/job/key:{key}": Scope.JOBS_WRITE}  # of one operation with `PUT /api/job/{job_id}`
    assert declared() == ROUTES | by_key
    assert set(REQUIRED) - {ANY_KEY} == {*Scope} - {Scope.ALL, Scope.READ, Scope.WRITE, Scope.PAYLOADS_READ}


def test_neither_read_nor_write_grants_the_scope_of_keys() -> None:
    assert not allowed(set(Scope) - {Scope.KEYS, Scope.ALL}, Scope.KEYS)
    assert allowed({Scope.KEYS}, Scope.KEYS)
    assert allowed({Scope.ALL}, Scope.KEYS)


async def test_a_route_accepts_only_keys_with_its_scope(api: Api) -> None:
    key_of = {scope: await add_key(api, scope) for scope in Scope}
    every_other = {scope: await add_key(api, *({*REQUIRED} - {scope, ANY_KEY})) for scope in REQUIRED}
    unknown_scopes = await add_key(api, "jobs", "all", "readers", "admin")
    for route, scope in ROUTES.items():
        method, path = route.format(**IN_PATHS).split()

        async def send(headers: dict[str, str], method: str = method, path: str = path) -> httpx2.Response:
            invalid = {"odd": "1"}  # so that no stream starts
            return await api.http.request(method, path, params=invalid, headers=headers)

        assert (await send({})).status_code == 401, route
        if scope == ANY_KEY:
            assert (await send(unknown_scopes)).status_code in {400, 404, 422}, route
            continue
        # `keys` ends with no verb: only the scope itself and `*` grant it.
        verb = Scope(scope.rpartition(":")[2])
        for headers in (key_of[Scope(scope)], key_of[verb], key_of[Scope.ALL], {"authorization": f"Bearer {FIRST}"}):
            assert (await send(headers)).status_code in {200, 400, 404, 422, 204}, route
        for headers in (
            *(key_of[each] for each in Scope if each not in {scope, verb, "*"}),
            every_other[scope],
            unknown_scopes,
        ):
            answer = await send(headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), route
            assert f"the scope {scope}," in answer.json()["detail"]


async def test_a_refusal_does_not_reveal_what_exists(api: Api) -> None:
    job = await api.json(201, "POST", "/api/job", {"name": "n"}, authorization=f"Bearer {FIRST}")
    headers = await add_key(api, "runs:read")

    async def refusal(method: str, job: str, **request: Any) -> dict[str, Any]:
        answer = await api.http.request(method, f"/api/job/{job}", headers=headers, **request)
        assert answer.status_code == 403
        return {name: value for name, value in answer.json().items() if name != "instance"}

    expected = await refusal("GET", job["id"])
    assert expected == await refusal("GET", str(uuid4())) == await refusal("GET", "no-id")
    assert expected == await refusal("GET", job["id"], params={"odd": "1"})
    assert await refusal("PATCH", job["id"], json={}) == await refusal("PATCH", str(uuid4()), content=b"{")
    assert (await api.http.head(f"/api/job/{job['id']}", headers=headers)).status_code == 403


async def test_a_route_without_a_scope_needs_a_key_with_every_scope(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def forgotten(_: Request) -> Response:
        return Response()

    bare = APIRouter()
    bare.add_api_route("/api/forgotten", forgotten, response_model=None)
    monkeypatch.setattr(app, "_ROUTERS", (bare,))
    built = app.build(api.deps, Health(), api_keys.ApiKeys(api.deps.pool, FIRST))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(built), base_url="http://localhost") as http:
        most, every = await add_key(api, *REQUIRED), await add_key(api, "*")
        assert (await http.get("/api/forgotten", headers=most)).status_code == 403
        assert (await http.get("/api/forgotten", headers=every)).status_code == 200


async def test_a_revoked_key_is_refused_after_a_second(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(api_keys, "time", SimpleNamespace(monotonic=lambda: now))
    headers, other = await add_key(api, "jobs:read"), await add_key(api, "jobs:read")
    assert (await api.http.get("/api/job", headers=headers)).status_code == 200
    await api.deps.pool.execute("UPDATE keys SET revoked_at = now()")
    now += 0.9
    assert (await api.http.get("/api/job", headers=headers)).status_code == 200  # cached
    assert (await api.http.get("/api/job", headers=other)).status_code == 401
    now += 0.1
    assert (await api.http.get("/api/job", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "secret", ["other", "secret ", "secretx", "SECRET", "", "s\xe9cret", "secret\x00", "x" * 100_000]
)
async def test_the_whole_secret_of_a_key_is_compared(api: Api, secret: str) -> None:
    key_id = (await add_key(api, "*"))["authorization"].split("_")[1]
    header = f"Bearer sk_{key_id}_{secret}".encode("latin-1")
    answer = await api.http.get("/api/job", headers={b"authorization": header})
    assert answer.status_code == (200 if secret == "secret " else 401)


async def test_a_key_is_valid_until_it_expires(api: Api) -> None:
    for hours, status in ((1, 200), (0, 401), (-1, 401)):
        headers = await add_key(api, "jobs:read")
        await api.deps.pool.execute("UPDATE keys SET expires_at = now() + $1", timedelta(hours=hours))
        assert (await api.http.get("/api/job", headers=headers)).status_code == status


async def test_two_keys_in_one_request_are_refused(api: Api) -> None:
    key = await add_key(api, "*")
    answer = await api.http.get("/api/job", headers=[*key.items(), *key.items()])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="duebook"'


async def test_the_openapi_document_names_each_scope(api: Api) -> None:
    paths = (await api.json(200, "GET", "/api/openapi.json"))["paths"]
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert {route: operation["security"] for route, operation in operations.items()} == {
        route: [{"key": [scope] * (scope != ANY_KEY)}] for route, scope in ROUTES.items()
    }
    for route, operation in operations.items():
        assert (f"`{ROUTES[route]}`" in operation["description"]) == (ROUTES[route] != ANY_KEY)
        assert {"401", "403"} <= operation["responses"].keys()
