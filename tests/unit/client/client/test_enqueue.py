"""Enqueueing a task: what is sent, how its run is awaited, and what becomes of its result."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from duebook import AsyncClient, Client, Context
from duebook.client import Job, NoRun, Response, RunFailed, UnexpectedResult, WaitTimeout, default
from duebook.client.default import default_async_client, default_client
from duebook.client.enqueue import Enqueued, cancel, enqueue, run_of
from duebook.client.steps import Call
from duebook.client.wire import Request
from duebook.defaults import Defaults
from duebook.tasks import Registry
from support.client_answers import JOB, World, ok, problem, run_answer

TASKS = Registry()


class Report(BaseModel):
    day: datetime


@TASKS.task("reports.nightly", Defaults(queue="reports", timeout=timedelta(minutes=2)))
async def nightly(report: Report, _context: Context) -> dict[str, datetime]:
    return {"day": report.day}


@TASKS.task("reports.count")
def count() -> int:
    return 1


DAY = datetime(2026, 11, 24, tzinfo=UTC)
SENT = Enqueued(Job.model_validate(JOB), Request("POST", "/api/job", body={"name": "a"}))


def waited(run: dict[str, Any] | None, **job: Any) -> Response:
    return ok(JOB | {"run": run} | job)


def listed(*runs: dict[str, Any]) -> Response:
    return ok({"items": runs, "next_cursor": None})


def refused(pointer: str) -> Response:
    body = {"code": "invalid", "errors": [{"pointer": pointer, "detail": "not yet"}]}
    return Response(422, json.dumps(body).encode())


def sent_by(call: Call[Enqueued]) -> Request:
    world = World(ok(JOB))
    world.perform(call)
    return world.sent[0]


def test_a_task_is_sent_with_its_name_and_no_field_that_was_left_out() -> None:
    request = sent_by(enqueue(nightly, Report(day=DAY), DAY, None, {"queue": "slow", "key": "of today"}))
    assert request.path == "/api/job"
    assert json.loads(request.content() or b"") == {
        "name": "reports.nightly",
        "task": "reports.nightly",
        "queue": "slow",
        "scheduled_at": "2026-11-24T00:00:00+00:00",
        "payload": {"day": "2026-11-24T00:00:00Z"},
        "key": "of today",
    }
    assert "payload" not in (sent_by(enqueue(count)).body or {})
    assert sent_by(enqueue("of.another.team", [1])).body["payload"] == [1]


def test_the_same_request_is_sent_again_to_wait_for_its_run() -> None:
    world = World(waited(None), waited(run_answer("running")), waited(run_answer("succeeded")))
    assert world.perform(run_of(SENT, 100)).status == "succeeded"
    assert {each.method for each in world.sent} == {"POST"}
    assert {json.dumps(each.body) for each in world.sent} == {'{"name": "a"}'}
    assert [each.query for each in world.sent] == [{"wait": "PT30S"}] * 3


def test_a_job_that_is_due_later_is_looked_at_again() -> None:
    world = World(refused("/scheduled_at"), refused("/scheduled_at"), waited(run_answer("succeeded")))
    assert world.perform(run_of(SENT, None)).ended
    assert world.slept == [0.5, 0.5]


def test_where_no_further_request_may_wait_the_run_is_polled() -> None:
    refusal = problem(429, "too_many_waits_of_client", "1")
    world = World(refusal, ok(JOB), listed(), refusal, ok(JOB), listed(run_answer("succeeded", result=7)))
    assert world.perform(run_of(SENT, 60)).result == 7
    assert world.slept == [0.005]


def test_a_timeout_has_the_last_state() -> None:
    world = World(*[waited(run_answer("retrying"))] * 50)
    with pytest.raises(WaitTimeout, match="retrying after 3 s") as caught:
        world.perform(run_of(SENT, 3))
    assert caught.value.run is not None
    assert world.now == pytest.approx(3)


@pytest.mark.parametrize("status", ["deleted", "finished"])
def test_a_job_that_ended_without_a_run_is_an_error(status: str) -> None:
    world = World(waited(None, status=status, next_due_at=None), listed())
    with pytest.raises(NoRun, match=status):
        world.perform(run_of(SENT, None))


def test_a_run_that_was_made_while_the_answer_was_is_found() -> None:
    world = World(waited(None, status="finished", next_due_at=None), listed(run_answer("succeeded")))
    assert world.perform(run_of(SENT, None)).status == "succeeded"


def test_a_cancelled_job_is_deleted_and_its_run_is_cancelled() -> None:
    world = World(Response(204, b""), waited(run_answer("running")), ok(run_answer("cancelled")))
    world.perform(cancel(SENT, "enough"))
    assert [each.path.rpartition("/")[2] for each in world.sent] == [str(SENT.job.id), "job", "cancel"]


class Server:
    """Answers the creation of a job, and then each wait with this run."""

    def __init__(self, run: dict[str, Any]) -> None:
        self._run = run
        self.waits: list[str] = []

    def send(self, _method: str, target: str, _headers: Mapping[str, str], _body: bytes | None, _: float) -> Response:
        if "wait" not in target:
            return Response(201, json.dumps(JOB).encode())
        self.waits.append(target)
        return Response(201, json.dumps(JOB | {"run": self._run}).encode())

    async def send_async(self, *request: Any) -> Response:
        return self.send(*request)


def test_a_result_has_the_type_that_the_task_returns() -> None:
    server = Server(run_answer("succeeded", result={"day": "2026-11-24T00:00:00Z"}))
    client = Client("http://duebook.test", send=server.send)
    handle = nightly.enqueue(Report(day=DAY), client=client)
    assert str(handle.job.id) == JOB["id"]
    assert server.waits == []
    assert handle.result(timeout=60) == {"day": DAY}
    assert client.enqueue(nightly, Report(day=DAY)).wait().status == "succeeded"


async def test_asyncio_has_the_same() -> None:
    server = Server(run_answer("succeeded", result=7))
    async with AsyncClient("http://duebook.test", send=server.send_async) as client:
        assert await (await count.aenqueue(client=client)).result(timeout=60) == 7
        assert (await (await client.enqueue(count)).wait()).result == 7


def test_a_failure_and_another_type_are_errors_with_the_run() -> None:
    failed = Client("http://a.test", send=Server(run_answer("dead_lettered", error="boom")).send)
    with pytest.raises(RunFailed, match="boom") as caught:
        count.enqueue(client=failed).result()
    assert caught.value.error == "boom"
    other = Client("http://a.test", send=Server(run_answer("succeeded", result="text")).send)
    with pytest.raises(UnexpectedResult):
        count.enqueue(client=other).result()


async def test_without_a_client_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUEBOOK_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(default, "_clients", [])
    assert default_client() is default_client()
    clients = await asyncio.gather(default_async_client(), default_async_client())
    assert clients[0] is clients[1]
    await clients[0].aclose()


def test_the_event_loop_waits_for_no_import_of_the_default_client() -> None:
    program = """
import asyncio, sys, threading
from duebook import task
from duebook.client import InvalidRequest
@task("empty")
def empty(): ...
class Watch:
    def find_spec(self, name, *_):
        heavy = name.partition(".")[0] in {"httpx2", "pydantic"} or name == "duebook.client.default"
        if heavy and threading.current_thread() is threading.main_thread():
            print(name)
async def main():
    sys.meta_path.insert(0, Watch())
    await empty.aenqueue(client=None)
try:
    asyncio.run(main())
except InvalidRequest:
    print("httpx2" in sys.modules)
"""
    environment = os.environ | {"DUEBOOK_URL": "ftp://no.api"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
