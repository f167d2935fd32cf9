"""Connections that are kept: shared by threads, and left to the parent after a fork."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from duebook.client.connections import Connections


class Handler(BaseHTTPRequestHandler):
    """Answers with the port of the connection, once as many requests have arrived as the path says."""

    protocol_version = "HTTP/1.1"
    arrived: dict[str, threading.Barrier]

    def do_GET(self) -> None:
        if self.path != "/":
            self.arrived[self.path].wait(30)
        body = str(self.client_address[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def port_of(connections: Connections, path: str = "/") -> bytes:
    return connections.send("GET", path, {}, None, 30).body


def test_requests_at_once_have_connections_of_their_own_which_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    Handler.arrived = {"/both": threading.Barrier(2)}
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, ThreadPoolExecutor(3) as threads:
        server.daemon_threads = True
        threads.submit(server.serve_forever, 0.05)
        connections = Connections(f"http://127.0.0.1:{server.server_address[1]}")
        both = {each.result(30) for each in [threads.submit(port_of, connections, "/both") for _ in range(2)]}
        assert len(both) == 2
        assert port_of(connections) in both
        assert connections.send("GET", "/", {}, None, 30).headers["retry-after"] == "7"
        kept = list(connections._idle)
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert port_of(connections) not in both
        connections.close()
        for each in kept:
            each.close()
        server.shutdown()
