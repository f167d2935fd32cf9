"""What a program enqueues during a test is recorded instead of sent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from duebook.client import AsyncClient, Client
from duebook.client.errors import Invalid
from duebook.client.models import Job
from duebook.tasks import Registry
from duebook.testing import EnqueuedTask, EnqueuedTasks
from support.client_answers import JOB
from support.job_defaults import DEFAULTS


class Report(BaseModel):
    region: str


registry = Registry()


@registry.task("reports.nightly")
async def nightly(report: Report) -> int:
    return len(report.region)


@registry.task("clean")
def clean() -> None: ...


AT = datetime(2100, 1, 1, tzinfo=UTC)


def test_a_task_that_is_enqueued_is_recorded_with_its_json(enqueued: EnqueuedTasks) -> None:
    nightly.enqueue(Report(region="eu"), at=AT, key="nightly-eu", idempotency_key="1")
    clean.enqueue()
    assert len(enqueued) == 2
    assert enqueued.one(nightly) == EnqueuedTask(
        "reports.nightly", {"region": "eu"}, {"at": AT, "key": "nightly-eu"}, "1"
    )
    assert enqueued[1] == EnqueuedTask("clean", {}, {})


async def test_calls_by_clients_and_of_asyncio_are_recorded_too(enqueued: EnqueuedTasks) -> None:
    enqueued.will_return(nightly, 2)
    assert Client("http://nowhere.invalid").enqueue(nightly, Report(region="us")).result(timeout=1) == 2
    async with AsyncClient("http://nowhere.invalid") as client:
        handle: Any = await client.enqueue("by.name", {"a": 1})
    assert await (await nightly.aenqueue(Report(region="eu"))).result() == 2
    assert [call.payload for call in enqueued.of(nightly)] == [{"region": "us"}, {"region": "eu"}]
    assert enqueued.one("by.name").payload == {"a": 1}
    with pytest.raises(LookupError, match="will_return"):
        await handle.result()


def test_a_payload_that_the_api_would_refuse_is_refused(enqueued: EnqueuedTasks) -> None:
    payload: Any = {"region": 3}
    with pytest.raises(Invalid, match="/region"):
        nightly.enqueue(payload)
    with pytest.raises(AssertionError, match="was enqueued 0 times"):
        enqueued.one(nightly)


def test_a_recorded_handle_has_the_job_and_its_run(enqueued: EnqueuedTasks) -> None:
    enqueued.will_return(nightly, 2)
    handle = nightly.enqueue(Report(region="eu"), wait=30, key="nightly-eu", timeout=timedelta(minutes=1), at=AT)
    assert (handle.job.task, handle.job.payload) == ("reports.nightly", {"region": "eu"})
    assert (handle.job.key, handle.job.timeout, handle.job.scheduled_at) == ("nightly-eu", timedelta(minutes=1), AT)
    assert (handle.wait(timeout=1).status, handle.wait().result, handle.wait().job_id) == (
        "succeeded",
        2,
        handle.job.id,
    )
    assert "wait" not in enqueued.one(nightly).fields
    assert clean.enqueue().job.id != handle.job.id


async def test_a_recorded_handle_of_asyncio_has_the_same(enqueued: EnqueuedTasks) -> None:
    enqueued.will_return(nightly, 2)
    handle = await nightly.aenqueue(Report(region="eu"), queue="reports")
    assert (handle.job.queue, handle.job.name) == ("reports", "reports.nightly")
    assert (await handle.wait()).result == await handle.result() == 2
    with pytest.raises(LookupError, match="will_return"):
        await (await clean.aenqueue()).wait()


def test_a_recorded_job_has_the_defaults_of_the_server(enqueued: EnqueuedTasks) -> None:
    server = Job.model_validate(JOB | DEFAULTS | {"task": "clean"})
    job = clean.enqueue().job
    assert {name: getattr(job, name) for name in DEFAULTS} == {name: getattr(server, name) for name in DEFAULTS}


@pytest.mark.parametrize(
    ("fields", "whole"),
    [
        ({"backoff": {"initial": "PT5S"}}, {"initial": timedelta(seconds=5), "factor": 2}),
        ({"notify": {"on": ["dead_lettered"]}}, {"to": [], "on": ["dead_lettered"]}),
        ({"concurrency": {"key": "a"}}, {"key": "a", "limit": 1}),
        ({"rate": {"key": "a", "limit": 2}}, {"limit": 2, "per": "PT1S"}),
    ],
    ids=["backoff", "notify", "concurrency", "rate"],
)
def test_a_recorded_job_has_the_members_that_were_not_given(
    enqueued: EnqueuedTasks, fields: dict[str, Any], whole: dict[str, Any]
) -> None:
    clean_by_name: Any = clean.enqueue
    found = clean_by_name(**fields).job.model_dump()[next(iter(fields))]
    assert len(enqueued) == 1
    assert {name: found[name] for name in whole} == whole


def test_a_recorded_handle_has_every_member_of_the_real_one() -> None:
    from duebook.client import AsyncHandle, Handle
    from duebook.testing.handles import RecordedAsyncHandle, RecordedHandle

    for real, recorded in ((Handle, RecordedHandle), (AsyncHandle, RecordedAsyncHandle)):
        assert {name for name in dir(real) if name[0] != "_"} <= set(dir(recorded))
