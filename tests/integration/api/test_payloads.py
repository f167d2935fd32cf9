"""A payload that its task would refuse is refused by the api, with the pointer of each fault."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel, Field

from duebook.tasks import Task
from duebook_api.http.problems import Problem
from duebook_api.state.task_catalogue import TaskSchemas
from duebook_common.store.codec import dumps
from duebook_executor.builtin.amqp_publish import AmqpPublisher
from duebook_executor.builtin.catalogue import catalogue
from support.api_app import FUTURE, Api, running_api


class Report(BaseModel, extra="forbid"):
    day: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    copies: int = 1


async def report(payload: Report) -> None: ...


REGISTER = """
INSERT INTO tasks (name, payload_schema, seen_at) VALUES ($1, $2, now())
ON CONFLICT (name) DO UPDATE SET payload_schema = excluded.payload_schema
"""
BUILT_IN = catalogue("", (), AmqpPublisher("amqp://h/"), None).registered()
GOOD, BAD = {"day": "2026-11-25"}, {"day": "today"}


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url) as api:
        for task in (Task.of("report", report), *BUILT_IN.values()):
            await api.deps.pool.execute(REGISTER, task.name, dumps(task.json_schema()))
        yield api


async def refusals(api: Api, method: str, path: str, body: Any, **headers: str) -> dict[str, str]:
    problem = await api.json(422, method, path, body, **headers)
    return {fault["pointer"]: fault["detail"] for fault in problem["errors"]}


def job(payload: Any, **more: Any) -> dict[str, Any]:
    return {"name": "n", "task": "report", "payload": payload, "scheduled_at": FUTURE} | more


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, {"/payload/day": "this field is required"}),
        (GOOD | {"dya": 1}, {"/payload/dya": "there is no such field"}),
        (
            GOOD | {"copies": "two"},
            {"/payload/copies": 'the task refuses this: it is not of type "integer", and is "two"'},
        ),
        ([], {"/payload": 'the task refuses this: it is not of type "object", and is []'}),
        ({"copies": None, "a/b": 1}, {"/payload/day": ..., "/payload/a~1b": ..., "/payload/copies": ...}),
    ],
)
async def test_each_fault_has_its_pointer(api: Api, payload: Any, expected: dict[str, Any]) -> None:
    found = await refusals(api, "POST", "/api/job", job(payload))
    assert found == {at: found.get(at) if message is ... else message for at, message in expected.items()}
    assert await api.pages("/api/job", 10) == []


async def test_every_request_with_a_payload_is_checked(api: Api) -> None:
    await api.create(task="report", payload=GOOD)
    batch = {"jobs": [job(GOOD), job(BAD)]}
    assert [*await refusals(api, "POST", "/api/job/batch", batch)] == ["/jobs/1/payload/day"]
    assert len(await api.pages("/api/job", 10)) == 1, "a batch is all or nothing"
    id_ = uuid4()
    assert [*await refusals(api, "PUT", f"/api/job/{id_}", job(BAD))] == ["/payload/day"]
    await api.json(201, "PUT", f"/api/job/{id_}", job(GOOD))
    assert [*await refusals(api, "PUT", f"/api/job/{id_}", job(BAD))] == ["/payload/day"]
    assert [*await refusals(api, "PATCH", f"/api/job/{id_}", {"payload": BAD})] == ["/payload/day"]
    other = await refusals(api, "PATCH", f"/api/job/{id_}", {"task": "http.request"})
    assert other.keys() == {"/payload/url", "/payload/day"}
    assert [*await refusals(api, "POST", f"/api/job/{id_}/trigger", {"payload": BAD})] == ["/payload/day"]
    await api.json(202, "POST", f"/api/job/{id_}/trigger", {"payload": GOOD})
    dead = await api.dead_letter(task="report", payload=GOOD)
    path = f"/api/dead-letter/{dead['id']}/redrive"
    assert [*await refusals(api, "POST", path, {"reason": "r", "payload": BAD})] == ["/payload/day"]
    await api.json(202, "POST", path, {"reason": "r", "payload": GOOD | {"copies": 2}})


async def test_unregistered_tasks_and_tasks_for_any_payload_are_not_checked(api: Api) -> None:
    assert len((await api.create(task="unheard.of", payload={"day": 1}))["warnings"]) == 1
    anything: list[Any] = [None, [], "text", {"a": {"b": []}}]
    for payload in anything:
        await api.create(task="log", payload=payload)


async def test_a_stricter_schema_breaks_neither_repeats_nor_other_changes(api: Api) -> None:
    body = job({"day": "2026-11-25"})
    first = await api.json(201, "POST", "/api/job", body, Idempotency_Key="k")
    ran = await api.json(202, "POST", f"/api/job/{first['id']}/trigger", {"payload": GOOD}, Idempotency_Key="t")
    stricter = Report.model_json_schema() | {"required": ["day", "copies"]}
    await api.deps.pool.execute(REGISTER, "report", dumps(stricter))

    async with asyncio.timeout(30):
        while (await api.http.post("/api/job", json=body)).status_code != 422:
            await asyncio.sleep(0.1)
    assert (await api.json(201, "POST", "/api/job", body, Idempotency_Key="k"))["id"] == first["id"]
    again = await api.json(202, "POST", f"/api/job/{first['id']}/trigger", {"payload": GOOD}, Idempotency_Key="t")
    assert again["id"] == ran["id"]
    await api.json(200, "PATCH", f"/api/job/{first['id']}", {"priority": 9})


async def test_with_an_invalid_schema_only_the_executor_checks(api: Api) -> None:
    await api.deps.pool.execute(REGISTER, "odd", dumps({"type": 7, "pattern": "("}))
    await api.create(task="odd", payload="x")


NO_HOSTS = [
    *("[zz]", "[::g]", "[1.2.3.4]", "a\u200b", "\u2603.net", "h\x7f", "\u0661", "\u0661\u0662.0.0.1", "\uff11.0.0.1"),
    *("256.1.1.1", "01.2.3.4", "-a", "a-", "a.-b", "a..b", ".a", ".", "a..", "*", "a!b", "a,b", "a'b", "a;b", "a%62"),
    *(f"{'a' * 64}.example", f"{'ä' * 60}.example", f"{'a.' * 126}aa", "\ufb01.example", "\u0627a.example"),
]
HOSTS = [
    *(
        "[::1]",
        "\xe4",
        "\xc4",
        "a_b",
        "_a",
        "1.2.3",
        "1.2.3.4",
        "a-b.c--d",
        "a.",
        "xn--4ca",
        "\u4f8b\u3048.\u30c6\u30b9\u30c8",
    ),
    *(f"{'a' * 63}.example", "\u05d0.example", "\u0627\u0661.example", "a\u3002example"),
]
EXPECTED: list[Any] = ["299-200", "100-199", "600", "199", "200-600", ["200-100"], [200, "404-300"], 200.0, 200.5]
HEADERS: list[Any] = [
    *({name: "x"} for name in ("", "ü" * 127, "ü" * 128, "x" * 128, "x" * 129)),
    *({"a": value} for value in (1.0, 1.5, 2**63, True, "ü" * 1024)),
    *({f"h{n}": char * 1000 for n in range(count)} for char, count in (("x", 16), ("x", 17), ("ü", 9))),
]
CONTENTS: list[dict[str, Any]] = [
    *({"text": text, "html": html} for text in (None, "t") for html in (None, "h")),
    *({"text": None}, {"html": None}, {"html": ""}, {}),
]


@pytest.mark.parametrize(
    "payload",
    [
        {"url": "https://example.com/"},
        {"url": "HTTP://example.com:8080/a?b", "method": "GET", "headers": {"X-A": "b"}, "expect": "200-204, 304"},
        {"url": "http://[::1]/", "body": None, "expect": [200, "300-399"]},
        {"url": "http://h", "expect": 204},
        {"url": "http://h:65535"},
        {"url": "http://h:/"},
        {"url": "ftp://h/"},
        {"url": "http://h:0/"},
        {"url": "http://h:00"},
        {"url": "http://[::1]:0/x"},
        {"url": "http://h:65536/"},
        {"url": "http://h:x/"},
        {"url": "http://h/ x"},
        {"url": "http://h/", "headers": {"Host": "x"}},
        {"url": "http://h/", "headers": {"webhook-id": "x"}},
        {"url": "http://h/", "method": "get"},
        {"url": "http://h/", "expect": 99},
        {"url": "http://h/", "expect": []},
        {"url": "http://h/", "retries": 3},
        {"url": 7},
        "http://h/",
        *({"url": f"http://{host}/"} for host in NO_HOSTS + HOSTS),
        *({"url": f"http://h/{path}"} for path in ("\x01", "\x7f", "%zz", "ä" * 300, "ä" * 350, "\U0001f600" * 200)),
        *({"url": "http://h/", "expect": expect} for expect in EXPECTED),
        *({"exchange": "x", "routing_key": key} for key in ("ü" * 127, "ü" * 128, "x" * 255, "x" * 256)),
        *({"exchange": "x", "headers": headers} for headers in HEADERS),
        *({"to": "a@b.de", "subject": "s"} | content for content in CONTENTS),
    ],
)
def test_the_api_and_the_executor_refuse_the_same_payloads_of_a_built_in_task(payload: Any) -> None:
    task = _built_in(payload)
    assert _accepts(lambda: TaskSchemas({task.name: task.json_schema()}).must_accept(task.name, payload)) == _accepts(
        lambda: task.validate(payload)
    )


@pytest.mark.parametrize("host", NO_HOSTS)
def test_a_url_without_a_valid_host_is_refused_at_its_field(host: str) -> None:
    task = BUILT_IN["http.request"]
    with pytest.raises(Problem) as refused:
        TaskSchemas({task.name: task.json_schema()}).must_accept(task.name, {"url": f"https://{host}:8080/x"})
    (fault,) = refused.value.faults
    assert fault.pointer == "/payload/url"
    assert any(remedy in fault.message for remedy in ("such as example.com", "write its registered form", "brackets"))


@pytest.mark.parametrize("host", HOSTS)
def test_a_url_with_a_valid_host_is_accepted(host: str) -> None:
    task = BUILT_IN["http.request"]
    TaskSchemas({task.name: task.json_schema()}).must_accept(task.name, {"url": f"https://{host}:8080/x"})


REFUSED = [
    ({"url": f"ftp://x{'y' * 400}"}, "/payload/url", "it must begin with http:// or https:// and a host"),
    (
        {"url": "http://h:0/"},
        "/payload/url",
        "it must begin with http:// or https:// and a host, such as example.com",
    ),
    ({"url": f"http://h/{'x' * 3000}"}, "/payload/url", "it is longer than 2048 characters"),
    ({"url": "http://h/", "method": "get"}, "/payload/method", 'it must be one of "GET", "POST", "PUT", "PATCH"'),
    ({"url": "http://h/", "headers": {"Host": "x"}}, "/payload/headers/Host", "Duebook sets this header itself"),
    ({"url": "http://h/", "headers": {"a b": "x"}}, "/payload/headers/a b", "this is not the name of a header"),
    ({"url": "http://h/", "headers": {"a": "ä"}}, "/payload/headers/a", "it must be printable ASCII on one line"),
    ({"to": "a@b.de", "text": "", "subject": "x" * 501}, "/payload/subject", "it is longer than 500 characters"),
    ({"exchange": "duebook.runs"}, "/payload/exchange", "names that begin with `duebook.` are reserved"),
    ({"exchange": "x", "headers": {"Cc": "x"}}, "/payload/headers/Cc", "RabbitMQ would copy the message"),
]


@pytest.mark.parametrize(("payload", "at", "reason"), REFUSED)
def test_a_refusal_begins_with_the_reason_and_shortens_the_value(payload: Any, at: str, reason: str) -> None:
    task = _built_in(payload)
    with pytest.raises(Problem) as refused:
        TaskSchemas({task.name: task.json_schema()}).must_accept(task.name, payload)
    (fault,) = refused.value.faults
    assert fault.pointer == at
    assert fault.message.startswith(f"the task refuses this: {reason}")
    assert len(fault.message) < 320
    assert "[^" not in fault.message, "no regular expression"


def test_the_sentence_beside_a_users_pattern_is_used_too() -> None:
    refusals = []
    for schema in ({"pattern": "^[0-9]+$"}, {"pattern": "^[0-9]+$", "errorMessage": "only digits, please"}):
        with pytest.raises(Problem) as refused:
            TaskSchemas({"t": {"properties": {"n": schema}}}).must_accept("t", {"n": "x"})
        refusals += [fault.message for fault in refused.value.faults]
    assert refusals == [
        'the task refuses this: it must match ^[0-9]+$, and is "x"',
        'the task refuses this: only digits, please, and is "x"',
    ]


def _built_in(payload: Any) -> Any:
    """The task whose payload has such a field; http.request where it is no object."""
    if isinstance(payload, dict) and "to" in payload:
        return BUILT_IN["email.send"]
    return BUILT_IN["amqp.publish" if isinstance(payload, dict) and "exchange" in payload else "http.request"]


def _accepts(check: Any) -> bool:
    try:
        check()
    except Exception:
        return False
    return True
