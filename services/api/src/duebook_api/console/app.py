"""The console as an application of its own, which answers the paths below `/console`."""

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from duebook_api.access.paths import CONSOLE, is_console
from duebook_api.access.sessions import Sessions
from duebook_api.console import assets
from duebook_api.console.config import ConsoleConfig
from duebook_api.console.forecast_cache import ForecastCache
from duebook_api.console.guard import Elsewhere, SignedOut, guarded, sign_in_for
from duebook_api.console.large_forecasts import LargeForecasts
from duebook_api.console.live_pages import LivePages
from duebook_api.console.pages import signed_out as page
from duebook_api.console.rendering import counting, problem_page, render
from duebook_api.console.requests import read_form
from duebook_api.console.routes import (
    bulk,
    dead_letters,
    events,
    executors,
    fleet,
    forecast,
    job,
    job_actions,
    job_form,
    jobs,
    keys,
    live,
    mails,
    overview,
    queues,
    run,
    run_actions,
    runs,
    session,
    system,
)
from duebook_api.http.problems import Problem, problem_of, problem_response
from duebook_api.jobs.keys import keys_resolved
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.errors import CommandRejected
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import UNAVAILABLE

_MOST_KEPT = 128 * 1024  # bytes of a form, as encoded, that was sent without a session
ROUTERS = (
    overview.router,
    jobs.router,
    job.router,
    job_actions.router,
    job_form.router,
    fleet.router,
    runs.router,
    run.router,
    run_actions.router,
    bulk.router,
    dead_letters.router,
    queues.router,
    executors.router,
    forecast.router,
    events.router,
    mails.router,
    keys.router,
    system.router,
    live.router,
)


def console_app(deps: Dependencies, settings: ConsoleConfig, sessions: Sessions | None) -> FastAPI:
    """All pages; without `sessions` they need no key."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.dependencies, app.state.config, app.state.sessions = deps, settings, sessions
    app.state.forecast, app.state.large_forecasts = ForecastCache(), LargeForecasts()
    app.state.failed_sign_ins = session.FailedSignIns()
    before = [Depends(guarded), Depends(counting), Depends(keys_resolved)]
    for router in ROUTERS:
        app.include_router(router, prefix=CONSOLE, dependencies=before)
    app.include_router(session.router, prefix=CONSOLE)
    app.router.routes.extend(assets.ROUTES)
    for error in (Problem, CommandRejected, Conflict, *UNAVAILABLE, Exception):
        app.add_exception_handler(error, _on_error)
    app.add_exception_handler(Elsewhere, _on_elsewhere)
    app.add_exception_handler(SignedOut, _on_signed_out)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_http_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    return app


class WithConsole:
    """The api and the console side by side: each has error responses of its own."""

    def __init__(self, api: ASGIApp, console: FastAPI) -> None:
        deps: Dependencies = console.state.dependencies
        self._api, self._console = api, LivePages(console, deps.changes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._console if scope["type"] == "http" and is_console(scope["path"]) else self._api
        await app(scope, receive, send)


async def _on_error(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    problem_response(problem, error)  # which logs what the server is at fault for
    return await problem_page(request, problem)


async def _on_elsewhere(request: Request, error: Exception) -> Response:
    assert isinstance(error, Elsewhere)
    settings: ConsoleConfig = request.app.state.config
    return RedirectResponse(settings.base_path + error.path, 303, {"Cache-Control": "no-store"})


async def _on_signed_out(request: Request, error: Exception) -> Response:
    """The form once more, to be sent again after the sign-in; the browser keeps a large one, as no key sent it."""
    assert isinstance(error, SignedOut)
    try:
        fields = await read_form(request, _MOST_KEPT)
    except Problem as problem:
        if problem.status != 413:
            return await _on_elsewhere(request, sign_in_for(request))
        return await render(request, "signed_out_large.html", status_code=401, scope=error.scope)
    query = f"?{request.url.query}" if request.url.query else ""
    return await render(
        request,
        "signed_out.html",
        status_code=401,
        path=request.url.path + query,
        scope=error.scope,
        fields=page.kept(fields),
        typed=page.typed(fields),
        dialog=page.dialog_path(request.url.path, fields),
    )


async def _on_http_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 405:
        return await problem_page(request, Problem(405, "method_not_allowed", "this page takes no such request"))
    return await problem_page(request, Problem(404, "not_found", "there is no such page"))


async def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # the client does not receive it
