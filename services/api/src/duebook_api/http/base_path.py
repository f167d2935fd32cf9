"""The prefix that a reverse proxy puts before every path, whether or not the proxy takes it away again."""

from starlette.types import ASGIApp, Receive, Scope, Send


class BasePath:
    """Takes the prefix away, so that routes and links are the same with and without a proxy."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._prefix and scope["type"] == "http" and scope["path"].startswith(f"{self._prefix}/"):
            scope = {**scope, "path": scope["path"].removeprefix(self._prefix)}
        elif self._prefix and scope["type"] == "http" and scope["path"] == self._prefix:
            scope = {**scope, "path": "/"}
        await self._app(scope, receive, send)
