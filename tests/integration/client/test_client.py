"""Both clients against a real api, which is killed and loses answers."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from duebook import AsyncClient, Client
from duebook.client import (
    Conflict,
    Event,
    Gone,
    Invalid,
    NotFound,
    Response,
    Unauthorized,
    Unreachable,
    WaitTimeout,
)
from support.api_app import Api, fail_for_good, running_api
from support.fleet import Platform
from support.program import FIRST_KEY, FUTURE
from support.waits import dispatch, succeed, waiting


@pytest.fixture
async def served(postgres_url: str) -> AsyncIterator[Api]:
    """An api in this process."""
    async with running_api(postgres_url) as served:
        yield served


@pytest.fixture
async def api(served: Api) -> AsyncIterator[AsyncClient]:
    """A client of it."""

    async def send(
        method: str, target: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        answer = await served.http.request(method, target, headers=headers, content=body, timeout=seconds)
        return Response(answer.status_code, answer.content, dict(answer.headers))

    async with AsyncClient("http://duebook.test", send=send) as api:
        yield api


async def test_a_job_lives_its_life_through_the_client(api: AsyncClient) -> None:
    job = await api.jobs.create("nightly", recurrence="daily", scheduled_at=FUTURE, tags=["a"])
    assert [each.id async for each in api.jobs.list(tag="a")] == [job.id]
    changed = await api.jobs.update(job, priority=7, if_match=job.version)
    with pytest.raises(Conflict):
        await api.jobs.update(job, priority=8, if_match=job.version)
    assert (await api.jobs.put(job.id, "nightly", recurrence="daily", scheduled_at=FUTURE)).version == 3
    assert (changed.priority, changed.version) == (7, 2)
    assert (await api.jobs.pause(job, reason="holidays")).reason == "holidays"
    assert (await api.jobs.resume(job)).status == "active"
    assert (await api.jobs.why(job)).answer
    assert (await api.jobs.ledger(job)).expected == 0
    assert [each async for each in api.jobs.ledger_entries(job)] == []
    await api.jobs.delete(job)
    assert (await api.jobs.get(job)).status == "deleted"
    with pytest.raises(NotFound):
        await api.jobs.get("01a2b3c4-0000-7000-8000-000000000000")
    with pytest.raises(Invalid) as refused:
        await api.jobs.create("a", timezone="Mars", priority=12)
    assert set(refused.value.errors) == {"/timezone", "/priority"}


async def test_a_run_is_awaited_cancelled_and_repeated(api: AsyncClient) -> None:
    job = await api.jobs.create("a", scheduled_at=FUTURE)
    run = await api.jobs.trigger(job, payload={"n": 1})
    assert (await api.runs.get(run)).payload == {"n": 1}
    with pytest.raises(WaitTimeout):
        await api.runs.wait(run, timeout=0.1)
    await api.runs.cancel(run, reason="enough")
    assert (await api.runs.wait(run, timeout=60)).status == "cancelled"
    again = await api.runs.rerun(run)
    assert (again.cause, again.trigger) == (run.id, "rerun")
    assert {each.id async for each in api.jobs.runs(job)} == {run.id, again.id}
    assert {each.status async for each in api.runs.logs(run)} == {"cancelled"}
    assert (await api.runs.why(again)).because
    events = await _first_events(api, 2)
    assert [each.type for each in events] == ["JobCreated", "RunDispatched"]


async def test_a_job_or_a_trigger_and_its_result_take_one_request(api: AsyncClient, served: Api) -> None:
    create = asyncio.create_task(api.jobs.create("sum", payload={"n": 1}, wait=60))
    await waiting(served)
    [pending] = [each async for each in api.jobs.list()]
    await succeed(served, await dispatch(served, str(pending.id)), {"sum": 3})
    job = await create
    assert (job.id, job.run and job.run.result) == (pending.id, {"sum": 3})

    trigger = asyncio.create_task(api.jobs.trigger(job, wait=60))
    await waiting(served)
    [active] = [each async for each in api.runs.list(job=job, status="dispatched")]
    await served.execute(str(active.id), *fail_for_good("boom"))
    run = await trigger
    assert (run.id, run.status, run.error) == (active.id, "dead_lettered", "boom")


async def test_dead_letters_are_redriven_and_discarded(api: AsyncClient, served: Api) -> None:
    job = await api.jobs.create("a", scheduled_at=FUTURE)
    first, second = [(await served.dead_letter_of(str(job.id)))["id"] for _ in range(2)]
    [group] = [each async for each in api.dead_letters.groups(job=job)]
    assert group.count == 2
    assert (await api.dead_letters.redrive_all(reason="fixed", job=job, dry_run=True)).matched == 2
    found = api.dead_letters.list(fingerprint=group.fingerprint)
    assert {str(each.id) async for each in found} == {first, second}
    assert (await api.dead_letters.get(first)).lineage
    assert (await api.dead_letters.discard(first, reason="obsolete")).status == "discarded"
    assert not (await api.dead_letters.redrive(second, reason="fixed", payload={"n": 2})).ended
    with pytest.raises(Conflict):
        await api.dead_letters.redrive(first, reason="again")


async def _first_events(api: AsyncClient, count: int) -> list[Event]:
    """They are told once all transactions that began before theirs have ended, also those of other tests."""
    events: list[Event] = []
    async with asyncio.timeout(60):
        async for event in api.events():
            events.append(event)
            if len(events) == count:
                break
    return events


async def test_a_position_that_the_log_lost_is_an_error_of_its_own(api: AsyncClient) -> None:
    await api.jobs.create("a", scheduled_at=FUTURE)
    [event] = await _first_events(api, 1)
    other = f"{event.position[:-8]}00000000"
    with pytest.raises(Gone):
        await anext(api.events(other))


@pytest.fixture
def platform(postgres_url: str, redis_url: str) -> Iterator[Platform]:
    urls = {"DUEBOOK_POSTGRES_URL": postgres_url, "DUEBOOK_REDIS_URL": redis_url}
    with Platform({**urls, "DUEBOOK_AUTH": "required", "DUEBOOK_API_KEY": FIRST_KEY}) as platform:
        platform.start("api")
        yield platform


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    with Client(platform["api", 0].url, FIRST_KEY) as client:
        yield client


def test_an_answer_that_got_lost_makes_nothing_twice(client: Client, platform: Platform) -> None:
    lost: list[str] = []

    def losing(method: str, *rest: Any) -> Response:
        """Sends each request, and loses the first answer to it."""
        answer = client._send(method, *rest)
        if method == "POST" and rest[0] not in lost:
            lost.append(rest[0])
            raise Unreachable("the connection broke")
        return answer

    with Client(platform["api", 0].url, FIRST_KEY, send=losing) as careful:
        job = careful.jobs.create("once", scheduled_at=FUTURE)
        run = careful.jobs.trigger(job)
        jobs = careful.jobs.batch([{"name": "batch", "scheduled_at": FUTURE}] * 3)
    assert len(lost) == 3
    assert [each.id for each in client.jobs.list(name="once")] == [job.id]
    assert [each.id for each in client.jobs.runs(job)] == [run.id]
    assert {each.id for each in client.jobs.list(name="batch")} == {each.id for each in jobs}
    with Client(platform["api", 0].url, "sk_wrong") as stranger, pytest.raises(Unauthorized):
        next(stranger.jobs.list())


async def test_an_api_that_is_killed_meanwhile_makes_each_job_once(platform: Platform) -> None:
    service = platform["api", 0]
    async with AsyncClient(service.url, FIRST_KEY) as client:
        followed = asyncio.create_task(_first(client.events(interval=0.05, type="JobCreated"), 60))
        made = [asyncio.create_task(client.jobs.create(f"job {n}", scheduled_at=FUTURE)) for n in range(60)]
        await asyncio.wait(made, return_when=asyncio.FIRST_COMPLETED)
        service.kill()
        service.start()
        ids = {(await each).id for each in made}
        assert {each.id async for each in client.jobs.list()} == ids
        assert [each.stream for each in await followed] == list(dict.fromkeys(each.stream for each in await followed))
        assert {each.stream for each in await followed} == {f"job-{id_}" for id_ in ids}


async def _first(events: AsyncIterator[Event], number: int) -> list[Event]:
    found = []
    async for event in events:
        found.append(event)
        if len(found) == number:
            return found
    raise AssertionError
