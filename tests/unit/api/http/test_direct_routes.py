"""A route that is called directly is checked as one of the framework, and every other request goes to the framework."""

import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Scope

from duebook_api.http.direct_routes import DirectRoutes

router = APIRouter()


@router.post("/made")
async def make(request: Request) -> Response:
    if request.url.query == "gone":
        raise ClientDisconnect
    return PlainTextResponse(f"{type(request.app).__name__} {request.scope['route'].path}", 201)


@router.get("/made")
async def listed(_: Request) -> Response:
    return PlainTextResponse("the framework's")


def scope(method: str, path: str, query: bytes = b"") -> Scope:
    return {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}


async def answer(checks: list[str], scope: Scope, refuse: str = "") -> tuple[int, str]:
    """The status and the text of the answer; `checks` gets the paths that were checked."""
    sent: list[Message] = []

    async def check(request: Request) -> None:
        checks.append(request.scope["route"].path)
        if refuse:
            raise PermissionError(refuse)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    app = FastAPI()
    app.include_router(router)
    await DirectRoutes(app, [route for route in router.routes if route.name == "make"], [check])(scope, receive, send)  # type: ignore[attr-defined, misc]
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()


async def test_a_direct_route_has_its_app_and_its_checks() -> None:
    checks: list[str] = []
    assert await answer(checks, scope("POST", "/made")) == (201, "FastAPI /made")
    assert checks == ["/made"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/made", 200), ("PUT", "/made", 405), ("POST", "/made/", 307), ("POST", "/", 404)],
)
async def test_every_other_request_goes_to_the_framework(method: str, path: str, status: int) -> None:
    checks: list[str] = []
    assert (await answer(checks, scope(method, path)))[0] == status
    assert checks == []


async def test_what_a_check_refuses_does_not_reach_the_endpoint() -> None:
    with pytest.raises(PermissionError, match="no scope"):
        await answer([], scope("POST", "/made"), refuse="no scope")


async def test_a_client_that_is_gone_is_no_error() -> None:
    assert await answer([], scope("POST", "/made", b"gone")) == (400, "")
