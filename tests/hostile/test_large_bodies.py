"""A large body that is refused, or accepted, neither silences the api nor fills its memory."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx2
import orjson
import pytest

from duebook_devstack.ports import free_port
from support.api_process import api_process, wait_until_ready
from support.harm import MIB, peak_memory
from support.silence import measured_silence

pytestmark = pytest.mark.xdist_group("hostile")  # one after the other: two at once would be measured together

SIZE = 15 * MIB


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[tuple[int, httpx2.AsyncClient, int]]:
    """The process id, a client and the port of the api."""
    port = free_port()
    async with api_process(postgres_url, port) as (process, http):
        await wait_until_ready(http)
        yield process.pid, http, port


def unknown_fields() -> bytes:
    """One job with 1.3 million unknown fields."""
    return b'{"jobs":[{' + b",".join(b'"%x":1' % n for n in range(1_350_000)) + b"}]}"


def jobs_with_unknown_fields() -> bytes:
    fields = b",".join(b'"%x":1' % n for n in range(1_700))
    return b'{"jobs":[' + b",".join([b"{" + fields + b"}"] * 1_000) + b"]}"


def numbers() -> bytes:
    return b'{"jobs":[{"name":"n","payload":[' + b"1," * (SIZE // 2) + b"1]}]}"


def empty_lists() -> bytes:
    return b'{"jobs":[' + b"[]," * (SIZE // 3) + b"[]]}"


def empty_objects() -> bytes:
    return b'{"jobs":[' + b"{}," * 200_000 + b"{}]}"


def open_brackets() -> bytes:
    return b"[" * SIZE


def one_long_text() -> bytes:
    return b'{"jobs":[{"name":"' + b"[,{" * (SIZE // 3) + b'"}]}'


def quotes() -> bytes:
    return b'{"jobs":[{"name":"' + b'\\"\\\\' * (SIZE // 4) + b'"}]}'


def one_long_field() -> bytes:
    return b'{"jobs":[{"name":"n","' + b"x" * SIZE + b'":1}]}'


def short_texts_with_one_fault() -> bytes:
    jobs = [{"name": "n", "payload": ["x" * 50] * 200}] * 1_000
    return orjson.dumps({"jobs": [*jobs, {"name": "\0"}]})


def wrong_schedules() -> bytes:
    return orjson.dumps({"jobs": [{"name": "n", "recurrence": {"cron": "x" * 10_000}, "y": 1}] * 1_000})


def jobs_twice() -> bytes:
    return b'{"jobs":[{"name":"n","name":"n","payload":"' + b"x" * SIZE + b'"}]}'


BODIES: list[Callable[[], bytes]] = [
    unknown_fields,
    jobs_with_unknown_fields,
    numbers,
    empty_lists,
    empty_objects,
    open_brackets,
    one_long_text,
    quotes,
    one_long_field,
    short_texts_with_one_fault,
    wrong_schedules,
    jobs_twice,
]


async def test_a_refused_body_does_not_silence_the_api(api: tuple[int, httpx2.AsyncClient, int]) -> None:
    pid, http, port = api
    for body in BODIES:
        content = body()
        with measured_silence(port) as silence:
            answer = await http.post("/api/job/batch", content=content)
        assert answer.status_code in {400, 413, 422}, (body.__name__, answer.text[:500])
        assert len(answer.content) < 100_000, body.__name__
        assert silence.seconds < silence.limit, body.__name__
        assert peak_memory(pid) < 400 * MIB, body.__name__


async def test_many_large_bodies_at_once_do_not_fill_the_memory(api: tuple[int, httpx2.AsyncClient, int]) -> None:
    pid, http, port = api
    bodies = [unknown_fields(), short_texts_with_one_fault()] * 4
    with measured_silence(port) as silence:
        answers = await asyncio.gather(*(http.post("/api/job/batch", content=body) for body in bodies))
    assert {answer.status_code for answer in answers} <= {413, 422, 503}
    assert silence.seconds < silence.limit
    assert peak_memory(pid) < 400 * MIB


async def test_a_large_batch_that_is_accepted_does_not_silence_the_api(
    api: tuple[int, httpx2.AsyncClient, int],
) -> None:
    pid, http, port = api
    jobs = [{"name": "n", "scheduled_at": "2100-01-01T00:00:00Z", "payload": ["x" * 70] * 200}] * 1_000
    with measured_silence(port) as silence:
        answer = await http.post("/api/job/batch", content=orjson.dumps({"jobs": jobs}))
    assert answer.status_code == 201, answer.text[:500]
    assert silence.seconds < silence.limit
    assert peak_memory(pid) < 400 * MIB
