"""Receives webhooks that the task `http.request` has signed: verifies the signature, and processes each once."""

import argparse
import hmac
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer

TOLERANCE = 300
"""Seconds that a signature is valid for, so that a copy of an old request is refused."""
LARGEST_BODY = 1024 * 1024
"""Bytes."""


class Refused(Exception):
    """The request is not from Duebook, or is too old."""


class Verifier:
    """Verifies requests by the Standard Webhooks scheme. The package `standardwebhooks` does the same."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._key, self._clock = b64decode(secret.removeprefix("whsec_")), clock

    def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """Return the id of the message, the same for each attempt; raises Refused."""
        given = {name.lower(): text for name, text in headers.items()}  # a proxy may change the case of names
        try:
            id_, timestamp, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        except KeyError as error:
            raise Refused(f"no header {error}") from None
        if not timestamp.isdecimal() or abs(self._clock() - int(timestamp)) > TOLERANCE:
            raise Refused("the timestamp is too old or too new")
        expected = b64encode(hmac.digest(self._key, f"{id_}.{timestamp}.".encode() + body, sha256))
        # There are several while a secret is rotated; compare_digest takes the same time for each.
        if not any(hmac.compare_digest(b"v1," + expected, each.encode()) for each in signatures.split()):
            raise Refused("the signature is wrong")
        return id_


class Inbox:
    """Processes each message once. In memory here: keep the ids in the database that the effect is written to."""

    def __init__(self) -> None:
        self.messages: dict[str, bytes] = {}

    def add(self, id_: str, body: bytes) -> bool:
        """Whether the message is new."""
        return self.messages.setdefault(id_, body) is body


def handler(verifier: Verifier, inbox: Inbox) -> type[BaseHTTPRequestHandler]:
    class Receiver(BaseHTTPRequestHandler):
        timeout = 10  # seconds that a client may be silent

        def do_POST(self) -> None:
            body = self.rfile.read(max(0, min(int(self.headers.get("Content-Length", 0)), LARGEST_BODY)))
            try:
                id_ = verifier.verify(dict(self.headers), body)
            except Refused as error:
                self._answer(401, str(error))
            else:
                self._answer(200, "new" if inbox.add(id_, body) else "known")

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

    return Receiver


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--until", type=int, help="end after so many messages")
    options = parser.parse_args()
    inbox = Inbox()
    verifier = Verifier(os.environ["WEBHOOK_SECRET"])
    with HTTPServer(("127.0.0.1", options.port), handler(verifier, inbox)) as server:
        while options.until is None or len(inbox.messages) < options.until:
            server.handle_request()
    print(*inbox.messages.values())


if __name__ == "__main__":
    main()
