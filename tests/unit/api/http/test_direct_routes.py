"""A route that is called directly is checked as one of the framework, and every other request goes to the framework."""

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Scope

from duebook_api.http.direct_routes import DirectRoutes
from duebook_api.http.path_ids import PathId

ID = "019ac2f0-0000-7000-8000-00000000000a"
router = APIRouter()


@router.post("/made")
async def make(request: Request) -> Response:
    if request.url.query == "gone":
        raise ClientDisconnect
    return PlainTextResponse(f"{type(request.app).__name__} {request.scope['route'].path}", 201)


@router.get("/made/{made_id}")
async def show(request: Request, made_id: PathId) -> Response:
    return PlainTextResponse(f"{type(request.app).__name__} {made_id} {request.path_params}")


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
    direct = [each for each in router.routes if isinstance(each, APIRoute) and each.name in {"make", "show"}]
    await DirectRoutes(app, direct, [check])(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()


async def test_a_direct_route_has_its_app_and_its_checks() -> None:
    checks: list[str] = []
    assert await answer(checks, scope("POST", "/made")) == (201, "FastAPI /made")
    assert checks == ["/made"]


async def test_a_direct_route_gets_the_id_with_which_its_path_ends() -> None:
    checks: list[str] = []
    status, text = await answer(checks, scope("GET", f"/made/{ID.upper()}"))
    assert (status, text) == (200, f"FastAPI {ID} {{'made_id': '{ID}'}}")
    assert checks == ["/made/{made_id}"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/made", 200),
        ("PUT", "/made", 405),
        ("POST", "/made/", 307),
        ("POST", "/", 404),
        ("GET", "/made/", 307),
        ("GET", f"/made/{ID}/", 307),
        ("GET", f"/made/{ID}/more", 404),
        ("GET", f"/other/{ID}", 404),
        ("PUT", f"/made/{ID}", 405),
        ("GET", f"/made/{ID[1:]}", 422),
        ("GET", f"/made/{{{ID}}}", 422),
        ("GET", "/made/key:name", 422),
    ],
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
