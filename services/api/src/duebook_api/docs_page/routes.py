"""Swagger UI at `/api/docs`. Its assets are files of this package, of one version: the page works without internet."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from duebook_api.http.replies import html

ASSETS = Path(__file__).parent / "swagger_ui"
_STYLES, _SCRIPT, _START = "swagger-ui.css", "swagger-ui-bundle.js", "start.js"
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}  # a new release has new assets

# The links are relative, so that the page also works below a path prefix.
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Duebook API</title>
<link rel="stylesheet" href="docs/{_STYLES}">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/{_SCRIPT}"></script>
<script src="docs/{_START}"></script>
</body>
</html>
"""


async def _page(_: Request) -> Response:
    return html(_PAGE)


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def send(_: Request) -> Response:
        return FileResponse(ASSETS / name, headers=_HEADERS)

    return send


ROUTES = [
    Route("/api/docs", _page),
    *(Route(f"/api/docs/{name}", _asset(name)) for name in (_STYLES, _SCRIPT, _START)),
]
