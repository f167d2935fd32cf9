"""Unreadable messages go to the dead-letter queue and do not affect other runs."""

from pathlib import Path
from typing import Any

import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from duebook_common.broker.topology import dead_letter_queue
from support.amqp import on_channel, publish
from support.fleet import Platform, eventually
from support.histories import events, executor_of
from support.load import metric

pytestmark = pytest.mark.xdist_group("poison")

_POISON = [b"", b"{", b"\xff\x00", b'{"v": 2}', b'{"v": 1, "run_id": "x", "dispatch": 1}']


def dead_messages(url: str, queue: str) -> list[tuple[bytes, Any]]:
    """Body and `x-death` header of each message in the dead-letter queue. The messages stay there."""

    async def look(channel: AbstractChannel) -> list[tuple[bytes, Any]]:
        found: list[AbstractIncomingMessage] = []
        source = await channel.get_queue(dead_letter_queue(queue))
        while (message := await source.get(fail=False)) is not None:
            found.append(message)
        return [(message.body, message.headers["x-death"]) for message in found]

    return on_channel(url, look)


def test_unreadable_messages_do_not_occupy_the_prefetch_window(duebook: Platform, gate: Path) -> None:
    broker = duebook.environment["DUEBOOK_RABBITMQ_URL"]
    with executor_of(duebook, "narrow", DUEBOOK_CONCURRENCY="2"):
        slow = duebook.create(queue="narrow", task="nap", payload={"gate": str(gate)})
        duebook.await_run(slow["id"], "running")
        publish(broker, "narrow", *_POISON)
        jobs = [duebook.create(queue="narrow", task="nap") for _ in range(6)]
        for job in jobs:
            assert duebook.await_run(job["id"], "succeeded")["attempt"] == 1
        gate.touch()
        assert duebook.await_run(slow["id"], "succeeded")["attempt"] == 1
        found = eventually(lambda: found if len(found := dead_messages(broker, "narrow")) == 5 else None)
        eventually(lambda: metric(duebook["executor", 1], 'duebook_deliveries_total{verdict="unreadable"}') == 5)
    assert sorted(body for body, _ in found) == sorted(_POISON)
    assert {(death[0]["reason"], death[0]["queue"]) for _, death in found} == {("rejected", "duebook.runs.narrow")}


def test_messages_with_unusual_properties_do_no_harm(duebook: Platform, gate: Path) -> None:
    broker = duebook.environment["DUEBOOK_RABBITMQ_URL"]
    slow = duebook.create(task="nap", payload={"gate": str(gate)})
    run = duebook.await_run(slow["id"], "running")
    publish(broker, "default", b"[]", reply_to="x|no.such.exchange", correlation_id="1")
    publish(broker, "default", b"{}", content_type="text/plain; charset=no-such", content_encoding="gzip")
    publish(broker, "default", b"null", headers={"x-death": "not a list", "deep": {"a": {"b": [1, 2]}}})
    publish(broker, "default", b'"' + b"x" * 1_000_000 + b'"', expiration=None, priority=200)
    eventually(lambda: metric(duebook["executor", 0], 'duebook_deliveries_total{verdict="unreadable"}') == 4)
    gate.touch()
    assert duebook.await_run(slow["id"], "succeeded")["id"] == run["id"]
    assert [e["type"] for e in events(duebook, run["id"])] == ["RunDispatched", "AttemptStarted", "AttemptSucceeded"]
    duebook.await_run(duebook.create()["id"], "succeeded")


def test_a_message_about_an_unknown_run_is_dropped(duebook: Platform) -> None:
    broker = duebook.environment["DUEBOOK_RABBITMQ_URL"]
    stale = metric(duebook["executor", 0], 'duebook_deliveries_total{verdict="stale"}')
    unknown = b'{"v": 1, "run_id": "00000000-0000-4000-8000-000000000000", "dispatch": 1}'
    publish(broker, "default", unknown, unknown, headers={"x-death": []})
    eventually(lambda: metric(duebook["executor", 0], 'duebook_deliveries_total{verdict="stale"}') == stale + 2)
    duebook.await_run(duebook.create()["id"], "succeeded")
