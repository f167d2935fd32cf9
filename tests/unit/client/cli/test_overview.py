"""`duebook status`: of an api that is not ready, and how late runs were."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from duebook.cli import overview
from duebook.cli.app import app

AWAY = "ConnectionRefusedError"


class Unready(BaseHTTPRequestHandler):
    """An api whose database is away."""

    def do_GET(self) -> None:
        health = {"status": "not ready", "components": {"postgresql": AWAY}}
        problem = {"code": "unavailable", "detail": "the database is out of reach"}
        body = json.dumps(health if self.path == "/readyz" else problem).encode()
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Unready) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_status_shows_what_is_wrong_where_nothing_can_be_counted(url: str) -> None:
    shown = CliRunner().invoke(app, ["status"], env={"DUEBOOK_URL": url})
    assert shown.exit_code == 1
    assert shown.stdout.splitlines()[1].split() == ["api", "not", "ready", "postgresql", AWAY]
    assert shown.stderr == "duebook: the database is out of reach\n"
    data = json.loads(CliRunner().invoke(app, ["status", "-o", "json"], env={"DUEBOOK_URL": url}).stdout)
    assert data["services"][0]["components"] == {"postgresql": AWAY}


def test_lateness_is_written_as_a_duration() -> None:
    counts = {"succeeded": 3, "dead_lettered": 0}
    hour = {"counts": counts, "lateness": {"p50": 0.012345, "p90": 0.5, "p99": 128.000417}}
    line = overview._last_hour_line(hour, 0.3)
    assert line == "last hour     3 succeeded, 0 dead-lettered; lateness p50 12.3 ms, p99 2 min 8 s; 0.3 runs/s"
