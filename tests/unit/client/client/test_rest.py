"""The client: the requests that it sends, and the result of each kind of answer."""

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from duebook.client import ApiError, Client, Fault, InvalidRequest, NotDuebook, Response, Send, Unreachable

URL = "http://duebook.test"


def client_of(answer: Send, key: str | None = None) -> Client:
    return Client(URL, key, send=answer, retry_for=0)


def always(status: int, *, json: Any = None, text: str | None = None) -> Client:
    body = to_json(json) if text is None else text.encode()
    return client_of(lambda *_: Response(status, body))


def to_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_post_sends_the_keys_and_an_empty_object_without_a_body() -> None:
    seen: list[tuple[str, str, Mapping[str, str], bytes | None]] = []

    def answer(*request: Any) -> Response:
        seen.append(request)
        return Response(202, b"{}")

    with client_of(answer, "sk_a_b") as api:
        api.post("/api/job/1/trigger", idempotency_key="once")
        api.get("/api/job", tag=None, queue="a&b")
        api.patch("/api/job/1", {"name": "b"})
    assert (seen[0][2]["Authorization"], seen[0][2]["Idempotency-Key"]) == ("Bearer sk_a_b", "once")
    assert json.loads(seen[0][3] or b"") == {}
    assert seen[1][1] == "/api/job?queue=a%26b"
    assert (seen[2][0], seen[2][3]) == ("PATCH", b'{"name": "b"}')


def test_a_list_follows_its_cursors_up_to_the_limit() -> None:
    queries: list[dict[str, str]] = []

    def answer(_method: str, target: str, *_: Any) -> Response:
        given = {name: value for name, [value] in parse_qs(urlsplit(target).query).items()}
        queries.append(given)
        start = int(given.get("cursor", 0))
        end = min(start + int(given["limit"]), 450)
        items = [{"n": n} for n in range(start, end)]
        return Response(200, to_json({"items": items, "next_cursor": str(end) if end < 450 else None}))

    with client_of(answer) as api:
        assert [item["n"] for item in api.items("/api/run", 300, status="running")] == list(range(300))
        assert [each["limit"] for each in queries] == ["200", "100"]
        assert all(each["status"] == "running" for each in queries)
        assert len(list(api.items("/api/run"))) == 450


def test_a_problem_is_an_error_with_its_code_and_faults() -> None:
    errors = [{"pointer": "/name", "detail": "too long"}]
    with (
        always(422, json={"code": "invalid", "detail": "/name: too long", "errors": errors}) as api,
        pytest.raises(ApiError) as caught,
    ):
        api.post("/api/job", {})
    error = caught.value
    assert (error.status, error.code, error.detail) == (422, "invalid", "/name: too long")
    assert error.faults == (Fault("/name", "too long"),)


@pytest.mark.parametrize("status", [200, 302, 404, 502])
def test_an_answer_of_another_server_is_recognised(status: int) -> None:
    for content in ({"text": "<html>"}, {"json": ["not a problem"]}, {"json": {"detail": "Not Found"}}):
        if status == 200 and "json" in content:
            continue
        with always(status, **content) as api, pytest.raises(NotDuebook):
            api.get("/api/job")


def test_no_content_is_none() -> None:
    with always(204) as api:
        api.delete("/api/job/1")


def test_a_server_that_does_not_listen_is_unreachable() -> None:
    away = pytest.raises(Unreachable, match=r"^no answer from http://127\.0\.0\.1:1: ")
    with Client("http://user:secret@127.0.0.1:1/base", retry_for=0) as api, away:
        api.get("/api/job")


@pytest.mark.parametrize("url", ["", "duebook", "ftp://host", "http://", "http://a:b:c", "http://host:65536"])
def test_a_url_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        Client(url)


def test_a_key_or_value_that_http_cannot_carry_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        Client(URL, "two\nlines")
    with always(200, json={}) as api, pytest.raises(InvalidRequest):
        api.post("/api/job", {"name": "\udcff"})


class Handler(BaseHTTPRequestHandler):
    """Answers what it was asked, and on which connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = to_json({"path": self.path, "port": self.client_address[1], "headers": dict(self.headers)})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path.endswith("/close"):  # after an answer that did not announce it
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_a_connection_is_kept_and_opened_anew_after_its_server_closed_it() -> None:
    with server() as address, Client(f"http://{address}/prefix") as api:
        one, two = api.get("/a"), api.get("/b")
        assert (one["path"], two["path"]) == ("/prefix/a", "/prefix/b")
        assert one["port"] == two["port"]
        api.get("/close")
        assert api.get("/c")["path"] == "/prefix/c"


def test_a_proxy_serves_other_machines_and_not_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as address:
        monkeypatch.setenv("http_proxy", f"http://user:secret@{address}")
        monkeypatch.delenv("no_proxy", raising=False)
        with Client("http://duebook.test:8000") as api:
            answer = api.get("/api/job")
        assert answer["path"] == "http://duebook.test:8000/api/job"
        assert answer["headers"]["Host"] == "duebook.test:8000"
        assert answer["headers"]["Proxy-Authorization"].startswith("Basic ")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        with Client(f"http://{address}") as api:
            assert api.get("/api/job")["path"] == "/api/job"


def test_the_user_of_a_url_is_sent_where_there_is_no_key() -> None:
    with server() as address, Client(f"http://user:secret@{address}") as api:
        assert api.get("/")["headers"]["Authorization"] == "Basic dXNlcjpzZWNyZXQ="


def test_half_an_answer_is_unreachable() -> None:
    class Half(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1000)
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

    with socketserver.TCPServer(("127.0.0.1", 0), Half) as running:
        thread = threading.Thread(target=running.handle_request)
        thread.start()
        with Client(f"http://127.0.0.1:{running.server_address[1]}", retry_for=0) as api, pytest.raises(Unreachable):
            api.get("/api/job")
        thread.join()
