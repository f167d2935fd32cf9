"""The client: the requests that it sends, and the result of each kind of answer."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from duebook.client import ApiError, Client, Fault, InvalidRequest, NotDuebook, Unreachable

URL = "http://duebook.test"


def client_of(answer: Callable[[httpx2.Request], httpx2.Response], key: str | None = None) -> Client:
    return Client(URL, key, transport=httpx2.MockTransport(answer))


def always(status: int, **content: Any) -> Client:
    return client_of(lambda _: httpx2.Response(status, **content))


def test_a_post_sends_the_keys_and_an_empty_object_without_a_body() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(202, json={})

    with client_of(answer, "sk_a_b") as api:
        api.post("/api/job/1/trigger", idempotency_key="once")
        api.get("/api/job", tag=None, queue="a&b")
    assert (seen[0].headers["authorization"], seen[0].headers["idempotency-key"]) == ("Bearer sk_a_b", "once")
    assert json.loads(seen[0].content) == {}
    assert str(seen[1].url) == f"{URL}/api/job?queue=a%26b"


def test_a_list_follows_its_cursors_up_to_the_limit() -> None:
    queries: list[dict[str, str]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        queries.append(dict(request.url.params))
        start = int(request.url.params.get("cursor", 0))
        end = min(start + int(request.url.params["limit"]), 450)
        items = [{"n": n} for n in range(start, end)]
        return httpx2.Response(200, json={"items": items, "next_cursor": str(end) if end < 450 else None})

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
    with Client("http://127.0.0.1:1") as api, pytest.raises(Unreachable):
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
