"""What the HTTP server itself answers: problems in the shape of all others, each of which ends its connection."""

import json
from http import HTTPStatus

import uuid_utils.compat as uuids
from starlette.types import Send


def refusal(status: int, code: str, detail: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of a problem that closes its connection."""
    problem = {
        "type": f"https://duebook.dev/problems/{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": f"urn:uuid:{uuids.uuid7()}",
        "code": code,
    }
    body = json.dumps(problem).encode()
    size = str(len(body)).encode()
    return [(b"content-type", b"application/problem+json"), (b"content-length", size), (b"connection", b"close")], body


def refusal_bytes(status: int, code: str, detail: str) -> bytes:
    """The whole answer, for a request that is none."""
    headers, body = refusal(status, code, detail)
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, HTTPStatus(status).phrase.encode(), lines, body)


async def answer_crowded(send: Send) -> None:
    headers, body = refusal(503, "crowded", "too many connections are open; try again")
    await send({"type": "http.response.start", "status": 503, "headers": [*headers, (b"retry-after", b"1")]})
    await send({"type": "http.response.body", "body": body})
