"""The files that pages load: under a path that contains the hash of all of them, so that a browser keeps them.

Modules import each other by relative paths, so one hash serves for all. Files are compressed once, at the start.
"""

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from duebook_api.access.paths import CONSOLE
from duebook_api.http.problems import Problem

STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}
_COMPRESSED = {".css", ".js", ".svg"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent; `compressed` is None where gzip gains nothing."""

    type: str
    content: bytes
    compressed: bytes | None


@cache
def assets() -> dict[str, Asset]:
    """All files by their names below `static`."""
    paths = sorted(path for path in STATIC.rglob("*") if path.suffix in _TYPES)
    return {path.relative_to(STATIC).as_posix(): _asset(path) for path in paths}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    compressed = gzip.compress(content, 9, mtime=0) if path.suffix in _COMPRESSED else None
    return Asset(_TYPES[path.suffix], content, compressed)


@cache
def version() -> str:
    """The hash of all files."""
    digest = sha256()
    for name, asset in assets().items():
        digest.update(f"{name}\0{len(asset.content)}\0".encode() + asset.content)
    return digest.hexdigest()[:16]


def path_of(name: str) -> str:
    """The path of a file; raises KeyError for a name that is none."""
    assets()[name]
    return f"{CONSOLE}/static/{version()}/{name}"


async def _send(request: Request) -> Response:
    asset = assets().get(request.path_params["name"])
    if asset is None:
        raise Problem(404, "not_found", "the console has no such file")
    # A page of an older release may still be open: it gets the present file, which must not be kept for its version.
    kept = request.path_params["version"] == version()
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if kept else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    if asset.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.compressed, headers=headers | {"Content-Encoding": "gzip"}, media_type=asset.type)
    return Response(asset.content, headers=headers, media_type=asset.type)


ROUTES = [Route(f"{CONSOLE}/static/{{version}}/{{name:path}}", _send)]
