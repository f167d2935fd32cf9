"""The wiring of the api: its dependencies, routes, middleware and error handlers."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import structlog
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp

from duebook_api.access.api_keys import ApiKeys
from duebook_api.access.middleware import AuthMiddleware
from duebook_api.access.permits import permitted
from duebook_api.access.rate_limiter import RateLimiter
from duebook_api.access.sessions import Sessions
from duebook_api.access.weak_keys import weakness
from duebook_api.bulk import routes as bulk_routes
from duebook_api.console.app import WithConsole, console_app
from duebook_api.console.config import ConsoleConfig
from duebook_api.console.rendering import plain_problem_page
from duebook_api.docs_page import routes as docs_page
from duebook_api.erasure import routes as erasure_routes
from duebook_api.events import routes as event_routes
from duebook_api.history import job_logs
from duebook_api.history import routes as history_routes
from duebook_api.http.base_path import BasePath
from duebook_api.http.direct_routes import DirectRoutes
from duebook_api.http.path_ids import are_ids
from duebook_api.http.problems import Problem, on_error, problem_response
from duebook_api.installation import executors, system, tasks, whoami
from duebook_api.jobs import routes as job_routes
from duebook_api.jobs.keys import keys_resolved
from duebook_api.keys import audit
from duebook_api.keys import routes as key_routes
from duebook_api.ledger import routes as ledger_routes
from duebook_api.mails import routes as mail_routes
from duebook_api.openapi.document import openapi
from duebook_api.queues import routes as queue_routes
from duebook_api.runs import dead_letters, overview
from duebook_api.runs import routes as run_routes
from duebook_api.schedules import routes as schedule_routes
from duebook_api.settings import ApiSettings
from duebook_api.state.create_batcher import JobCreateBatcher
from duebook_api.state.database_gauges import DatabaseGauges
from duebook_api.state.dependencies import Dependencies
from duebook_api.state.feed import PAUSE, Feed
from duebook_api.state.gauges import DeadLetterGauges, OverdueGauges
from duebook_api.state.queue_gauges import QueueGauges
from duebook_api.state.queue_names import QueueNames
from duebook_api.state.side_process import SideProcess
from duebook_api.stats import routes as stats_routes
from duebook_api.why import routes as why_routes
from duebook_common.domain.errors import CommandRejected
from duebook_common.runtime.health import Health, probes
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.loops import Loops, run_every
from duebook_common.runtime.redis_check import check_redis
from duebook_common.runtime.service import ServiceContext
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import UNAVAILABLE, Clock, Pool
from duebook_common.store.log_origin import check_log
from duebook_common.store.services import present
from duebook_common.store.startup import open_database

_CHECKS = (permitted, keys_resolved)  # before each endpoint, whether the framework calls it or `DirectRoutes`
_ROUTERS = (
    job_routes.router,
    history_routes.router,
    ledger_routes.router,
    run_routes.router,
    why_routes.router,
    job_logs.router,
    event_routes.router,
    dead_letters.router,
    bulk_routes.router,
    overview.router,
    schedule_routes.router,
    queue_routes.router,
    queue_routes.installation_router,
    stats_routes.router,
    whoami.router,
    executors.router,
    tasks.router,
    system.router,
    key_routes.router,
    mail_routes.router,
    audit.router,
    erasure_routes.router,
)
_BUSY = [
    route
    for router in (job_routes.router, run_routes.router)
    for route in router.routes
    if isinstance(route, APIRoute) and route.endpoint in {*job_routes.BUSY, *run_routes.BUSY}
]
_POOL_SIZE = 20
# A forecast of few jobs is computed in a thread. Each time the event loop has waited for something, it waits as long as
# this for that thread too: with Python's five milliseconds a page took four times as long.
_SWITCH_SECONDS = 0.0005
log = structlog.stdlib.get_logger("api")

_GAUGE_INTERVAL, _KEY_USE_INTERVAL = timedelta(seconds=5), timedelta(seconds=15)


@asynccontextmanager
async def lifespan(context: ServiceContext) -> AsyncIterator[None]:
    """Connect to the database, serve the routes, and run the loops of the clock, the feed and the gauges."""
    settings = context.settings
    assert isinstance(settings, ApiSettings)
    sys.setswitchinterval(_SWITCH_SECONDS)
    context.app = Starlette(routes=probes(context.health), exception_handlers={404: _on_starting})
    clock, redis_url = Clock(), settings.redis_url.get_secret_value()
    await check_redis(redis_url)
    url = settings.postgres_url.get_secret_value()
    async with (
        open_database(context.health, url, "api", clock, _POOL_SIZE) as pool,
        present(pool, "api", settings, context.health, clock),
    ):
        hints, limiter = Hints(redis_url), RateLimiter(settings.rate_limit, redis_url)
        deps = _dependencies(pool, clock, hints, settings)
        context.health.checks["log"] = lambda: check_log(pool)
        keys = _keys(deps, settings)
        context.app = build(deps, context.health, keys, limiter, _console(settings))
        context.facts = {"auth": settings.auth}
        _start_loops(context.loops, deps, keys, limiter)
        try:
            yield
        finally:
            deps.feed.close()
            deps.changes.close()
            deps.waits.close()
            await context.finish_requests(settings.grace)  # they need the pool, so it is closed after them
            await context.loops.stop()
            await hints.close()
            await limiter.close()


def _dependencies(pool: Pool, clock: Clock, hints: Hints, settings: ApiSettings) -> Dependencies:
    return Dependencies(
        pool,
        clock,
        hints,
        settings.misfire,
        JobCreateBatcher(pool),
        Feed(pool, of_one_client=settings.max_streams),
        SideProcess(settings.postgres_url.get_secret_value()),
        max_active_runs=settings.max_active_runs,
        max_timeout=settings.max_timeout,
        queue_names=QueueNames(settings.max_queues),
        mail_domains=settings.mail_domains,
    )


def _start_loops(loops: Loops, deps: Dependencies, keys: ApiKeys | None, limiter: RateLimiter) -> None:
    loops.start("clock", deps.clock.keep_measuring(deps.pool))
    loops.start("rate limits", run_every("rate limits", limiter.pause, limiter.step))
    if keys is not None:
        loops.start("key use", run_every("key use", _KEY_USE_INTERVAL, keys.note_use))
    loops.start("feed", run_every("feed", PAUSE, deps.feed.step, longest=1))
    loops.start("changes", run_every("changes", deps.changes.pause, partial(deps.changes.step, deps.pool), longest=1))
    overdue = OverdueGauges(deps.pool, deps.clock, deps.misfire)
    loops.start("overdue gauges", run_every("overdue gauges", overdue.pace.pause, overdue.refresh))
    dead_letters = DeadLetterGauges(deps.pool, deps.clock)
    loops.start("dead letter gauges", run_every("dead letter gauges", dead_letters.pace.pause, dead_letters.refresh))
    queues = QueueGauges(deps)
    loops.start("queue gauges", run_every("queue gauges", queues.pace.pause, queues.refresh))
    database = DatabaseGauges(deps.pool, deps.system.horizon)
    loops.start("database gauges", run_every("database gauges", _GAUGE_INTERVAL, database.refresh))


def _keys(deps: Dependencies, settings: ApiSettings) -> ApiKeys | None:
    if settings.auth == "off":
        return None
    first = settings.api_key.get_secret_value() if settings.api_key else None
    if first is not None and (reason := weakness(first)) is not None:
        log.warning("DUEBOOK_API_KEY is weak, and has every scope", reason=reason, remedy="openssl rand -hex 32")
    return ApiKeys(deps.pool, first)


def _console(settings: ApiSettings) -> ConsoleConfig | None:
    if settings.console == "off":
        return None
    return ConsoleConfig(
        settings.base_path,
        needs_key=settings.auth == "required",
        public_url=settings.public_url,
        trace_url=settings.trace_url,
    )


def build(
    deps: Dependencies,
    health: Health,
    keys: ApiKeys | None,
    limiter: RateLimiter | None = None,
    console: ConsoleConfig | None = None,
) -> ASGIApp:
    """The ASGI application with all routes.

    Without `keys` it needs no authentication, without `limiter` it has no limit, without `console` no pages.
    """
    app = FastAPI(
        title="Duebook",
        version="0.1.0",
        description="Every due job, accounted for.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,
        dependencies=[*map(Depends, _CHECKS)],
    )
    app.state.dependencies = deps
    for router in _ROUTERS:
        app.include_router(router)
    sessions = Sessions(deps.pool, keys) if keys is not None else None
    app.router.routes.extend([*probes(health), *docs_page.ROUTES, *_starts(console)])
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    for error in (Problem, CommandRejected, Conflict, *UNAVAILABLE, Exception):
        app.add_exception_handler(error, on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_malformed_id)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    limiter = limiter or RateLimiter(None, "redis://")
    direct = DirectRoutes(app, _BUSY, _CHECKS)
    if console is None:
        return AuthMiddleware(direct, keys, limiter)
    both = WithConsole(direct, console_app(deps, console, sessions))
    page = partial(plain_problem_page, console)
    return BasePath(AuthMiddleware(both, keys, limiter, sessions, page), console.base_path)


def _starts(console: ConsoleConfig | None) -> list[BaseRoute]:
    """Where a person looks first."""
    base, start = (console.base_path, "/console") if console is not None else ("", "/api/docs")
    return [Route("/", partial(_redirect, base + start)), Route("/docs", partial(_redirect, f"{base}/api/docs"))]


async def _redirect(path: str, _: Request) -> Response:
    return RedirectResponse(path)


async def _on_starting(_: Request, __: Exception) -> Response:
    """The service listens before it is connected to the database."""
    return problem_response(Problem(503, "starting", "the api is starting; try again", headers={"Retry-After": "1"}))


async def _on_malformed_id(request: Request, _: Exception) -> Response:
    """FastAPI validates nothing but the ids in paths; the routes read the rest themselves."""
    return _wrong_method(request) if _methods(request) else _nothing_at(request)


async def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # the client does not receive it


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Errors of the router: an unknown path, or a method that the path does not have."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return _wrong_method(request)
    if error.status_code == 404:
        return _nothing_at(request)
    return problem_response(Problem(error.status_code, "refused", str(error.detail), headers=dict(error.headers or {})))


def _nothing_at(request: Request) -> Response:
    return problem_response(Problem(404, "not_found", f"there is nothing at {request.url.path[:200]}"))


def _wrong_method(request: Request) -> Response:
    methods = _methods(request)
    if not methods:
        return _nothing_at(request)
    allowed = ", ".join(sorted(methods))
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": allowed})
    detail = f"this path does not have the method {request.method[:20]}; it has {allowed}"
    return problem_response(Problem(405, "method_not_allowed", detail, headers={"Allow": allowed}))


def _methods(request: Request) -> set[str]:
    """Every method that the path has, over all its routes; none if nothing can be at this path."""
    methods: set[str] = set()
    unrouted = {**request.scope, "path_params": {}}  # without those of the route that was tried
    for route in (route for routes in (request.app.routes, *(r.routes for r in _ROUTERS)) for route in routes):
        match, scope = route.matches(unrouted)
        if isinstance(route, Route) and match is not Match.NONE and are_ids(scope["path_params"]):
            methods |= route.methods or set()
    return methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()) if methods else methods
