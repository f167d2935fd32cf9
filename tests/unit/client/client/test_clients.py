"""Both clients: the same methods, the requests that they send, and errors from the network."""

import inspect
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from pydantic import BaseModel

from duebook import AsyncClient, Client
from duebook.client import InvalidRequest, Job, Response, Unreachable, async_groups, groups
from support.client_answers import JOB, run_answer

URL = "http://duebook.test"


class Server:
    """Answers each request with the next of these values, and keeps what it got."""

    def __init__(self, *values: Any) -> None:
        self._values = iter(values)
        self.requests: list[tuple[str, str, Mapping[str, str], Any]] = []

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, _: float) -> Response:
        self.requests.append((method, target, headers, None if body is None else json.loads(body)))
        return Response(200, json.dumps(next(self._values)).encode())

    async def send_async(self, *request: Any) -> Response:
        return self.send(*request)


def client(*values: Any) -> tuple[Client, Server]:
    server = Server(*values)
    return Client(URL, send=server.send), server


class Report(BaseModel):
    day: datetime


@pytest.mark.parametrize("name", ["Jobs", "Runs", "DeadLetters"])
def test_both_clients_have_the_same_methods(name: str) -> None:
    plain, other = vars(getattr(groups, name)), vars(getattr(async_groups, f"Async{name}"))
    methods = {each for each in plain if not each.startswith("_")}
    assert methods == {each for each in other if not each.startswith("_")}
    for each in methods:
        assert plain[each]._function is other[each]._function
        assert type(other[each]).__name__ == f"Async{type(plain[each]).__name__}"


def test_a_method_has_the_signature_and_the_documentation_of_its_call() -> None:
    jobs = client()[0].jobs
    assert "Raises Invalid" in (jobs.create.__doc__ or "")
    assert list(inspect.signature(jobs.trigger).parameters) == ["job", "payload", "overlap", "wait", "idempotency_key"]


def test_values_of_python_become_json() -> None:
    api, server = client(JOB)
    day = datetime(2026, 11, 24, tzinfo=UTC)
    job = api.jobs.create(
        "nightly", payload=Report(day=day), scheduled_at=day, timeout=timedelta(seconds=90.5), tags=("a",),
        recurrence={"every": timedelta(hours=2)},
    )  # fmt: skip
    assert isinstance(job, Job)
    assert isinstance(job.id, UUID)
    _, _, headers, body = server.requests[0]
    assert body["payload"] == {"day": "2026-11-24T00:00:00Z"}
    assert (body["scheduled_at"], body["timeout"]) == ("2026-11-24T00:00:00+00:00", "PT90.5S")
    assert (body["recurrence"], body["tags"]) == ({"every": "PT7200S"}, ["a"])
    assert headers["User-Agent"].startswith("duebook/")


@pytest.mark.parametrize("value", [datetime.fromisoformat("2026-11-24"), object(), float("nan")])
def test_what_json_does_not_have_is_refused_before_anything_is_sent(value: Any) -> None:
    api, server = client()
    with pytest.raises(InvalidRequest):
        api.jobs.create("a", payload=value)
    assert server.requests == []


def test_each_call_that_makes_something_has_a_key_of_its_own() -> None:
    api, server = client(JOB, JOB, {"items": []}, run_answer("running"), run_answer("running"))
    api.jobs.create("a")
    api.jobs.create("a")
    api.jobs.batch([{"name": "a"}])
    api.jobs.trigger("key:nightly report")
    api.runs.rerun(run_answer("running")["id"])
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in server.requests}
    assert len(keys) == 5
    assert server.requests[3][1] == "/api/job/key%3Anightly%20report/trigger"


def test_a_change_names_the_version_that_it_knows_and_null_resets() -> None:
    api, server = client(JOB)
    api.jobs.update(Job.model_validate(JOB), if_match=7, ends_at=None)
    [(method, target, headers, body)] = server.requests
    assert (method, target, body) == ("PATCH", f"/api/job/{JOB['id']}", {"ends_at": None})
    assert headers["If-Match"] == '"7"'


def test_a_list_is_read_page_after_page_up_to_its_limit() -> None:
    pages = [{"items": [run_answer("running")] * number, "next_cursor": "more"} for number in (200, 50)]
    api, server = client(*pages)
    assert len(list(api.runs.list(job=Job.model_validate(JOB), status=["running", "waiting"], limit=250))) == 250
    queries = [parse_qs(urlsplit(target).query) for _, target, _, _ in server.requests]
    assert queries[1]["limit"] == ["50"]
    assert (queries[0]["job_id"], queries[0]["status"]) == ([JOB["id"]], ["running,waiting"])


def event(n: int) -> dict[str, Any]:
    at = "2026-11-24T01:00:00Z"
    return {"position": str(n), "stream": "s", "version": 1, "type": "T", "data": {}, "meta": {}, "recorded_at": at}


def test_the_log_is_read_from_a_position_to_its_end() -> None:
    pages = [
        {"items": [event(1), event(2)], "position": "2", "next_cursor": "2"},
        {"items": [event(3)], "position": "3", "next_cursor": None},
    ]
    api, server = client(*pages)
    assert [each.position for each in api.events("0", follow=False, type="T")] == ["1", "2", "3"]
    assert ["after=2" in target for _, target, _, _ in server.requests] == [False, True]


async def test_the_client_for_asyncio_sends_the_same() -> None:
    page = {"items": [JOB], "next_cursor": None}
    feed = {"items": [event(1)], "position": "1", "next_cursor": None}
    server = Server(JOB, page, feed, {"tasks": []})
    async with AsyncClient(URL, "sk_a", send=server.send_async) as api:
        assert (await api.jobs.create("a")).name == "nightly"
        assert [each.name async for each in api.jobs.list(tag="x")] == ["nightly"]
        assert [each.position async for each in api.events(follow=False)] == ["1"]
        assert await api.request("GET", "/api/task", None, name="a", other=None) == {"tasks": []}
    assert server.requests[1][1] == "/api/job?tag=x&limit=200"
    assert server.requests[3][1] == "/api/task?name=a"
    assert server.requests[0][2]["Authorization"] == "Bearer sk_a"


async def test_a_server_that_does_not_listen_is_unreachable_for_asyncio() -> None:
    async with AsyncClient("http://user:secret@127.0.0.1:1/base", retry_for=0) as api:
        with pytest.raises(Unreachable, match=r"^no answer from http://127\.0\.0\.1:1: "):
            await api.jobs.get("1")


@pytest.mark.parametrize("url", ["", "duebook", "ftp://host", "http://", "http://host:65536"])
def test_a_url_that_names_no_server_is_refused_by_both(url: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(InvalidRequest):
            kind(url)
