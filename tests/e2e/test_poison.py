"""A message that cannot be read lands in the dead-letter queue, and hurts nobody beside it."""

from typing import Any

import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from duebook_common.broker.topology import dead_letter_queue
from support.fleet import Platform, eventually
from support.histories import events, executor_of, on_channel, send
from support.load import metric

pytestmark = pytest.mark.xdist_group("poison")

_POISON = [b"", b"{", b"\xff\x00", b'{"v": 2}', b'{"v": 1, "run_id": "x", "dispatch": 1}']


def resting(url: str, queue: str) -> list[tuple[bytes, Any]]:
    """Body and first death of each message in the dead-letter queue, all given back."""

    async def look(channel: AbstractChannel) -> list[tuple[bytes, Any]]:
        found: list[AbstractIncomingMessage] = []
        source = await channel.get_queue(dead_letter_queue(queue))
        while (message := await source.get(fail=False)) is not None:
            found.append(message)
        return [(message.body, message.headers["x-death"]) for message in found]

    return on_channel(url, look)


def test_five_unreadable_messages_take_no_place_of_two(duebook: Platform) -> None:
    broker = duebook.environment["DUEBOOK_RABBITMQ_URL"]
    with executor_of(duebook, "narrow", DUEBOOK_CONCURRENCY="2"):
        slow = duebook.create(queue="narrow", task="nap", payload={"seconds": 1})
        duebook.await_run(slow["id"], "running")
        send(broker, "narrow", *_POISON)
        jobs = [duebook.create(queue="narrow", task="nap") for _ in range(6)]
        for job in [slow, *jobs]:
            assert duebook.await_run(job["id"], "succeeded")["attempt"] == 1
        eventually(lambda: len(resting(broker, "narrow")) == 5)
        assert metric(duebook["executor", 1], 'duebook_deliveries_total{verdict="unreadable"}') == 5
    found = resting(broker, "narrow")
    assert sorted(body for body, _ in found) == sorted(_POISON)
    assert {(death[0]["reason"], death[0]["queue"]) for _, death in found} == {("rejected", "duebook.runs.narrow")}


def test_messages_with_odd_properties_do_no_harm(duebook: Platform) -> None:
    broker = duebook.environment["DUEBOOK_RABBITMQ_URL"]
    slow = duebook.create(task="nap", payload={"seconds": 2})
    run = duebook.await_run(slow["id"], "running")
    send(broker, "default", b"[]", reply_to="x|no.such.exchange", correlation_id="1")
    send(broker, "default", b"{}", content_type="text/plain; charset=no-such", content_encoding="gzip")
    send(broker, "default", b"null", headers={"x-death": "not a list", "deep": {"a": {"b": [1, 2]}}})
    send(broker, "default", b'"' + b"x" * 1_000_000 + b'"', expiration=None, priority=200)
    assert duebook.await_run(slow["id"], "succeeded")["id"] == run["id"]
    assert [e["type"] for e in events(duebook, run["id"])] == ["RunDispatched", "AttemptStarted", "AttemptSucceeded"]
    eventually(lambda: metric(duebook["executor", 0], 'duebook_deliveries_total{verdict="unreadable"}') == 4)
    duebook.await_run(duebook.create()["id"], "succeeded")


def test_a_message_about_a_run_that_nobody_knows_is_dropped(duebook: Platform) -> None:
    broker = duebook.environment["DUEBOOK_RABBITMQ_URL"]
    stale = metric(duebook["executor", 0], 'duebook_deliveries_total{verdict="stale"}')
    unknown = b'{"v": 1, "run_id": "00000000-0000-4000-8000-000000000000", "dispatch": 1}'
    send(broker, "default", unknown, unknown, headers={"x-death": []})
    eventually(lambda: metric(duebook["executor", 0], 'duebook_deliveries_total{verdict="stale"}') == stale + 2)
    duebook.await_run(duebook.create()["id"], "succeeded")
