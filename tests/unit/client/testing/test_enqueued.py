"""What a program enqueues during a test is recorded instead of sent."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from duebook.client import AsyncClient, Client
from duebook.client.errors import Invalid
from duebook.tasks import Registry
from duebook.testing import EnqueuedTask, EnqueuedTasks


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
