"""A dead letter can be redriven, also with another payload, or discarded; RabbitMQ's dead-letter queue follows."""

import time
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from duebook_common.broker.messages import RunMessage
from duebook_common.broker.topology import RUNS, dead_letter_queue
from support.amqp import dead_letters, on_channel
from support.fleet import Platform, eventually
from support.histories import events, types

pytestmark = pytest.mark.xdist_group("redrive")

_QUICK = {"initial": "PT0.1S", "factor": 1, "max": "PT0.1S", "jitter": 0}


def dead(duebook: Platform, **job: Any) -> dict[str, Any]:
    """A dead-lettered run whose message is in the dead-letter queue."""
    created = duebook.create(**{"max_retries": 0, "backoff": _QUICK, "task": "fail", **job})
    run = duebook.await_run(created["id"], "dead_lettered")
    eventually(lambda: run["id"] in dead_messages(duebook))
    return run


def dead_messages(duebook: Platform) -> dict[str, Any]:
    """The messages in the dead-letter queue, by run id."""
    time.sleep(0.5)  # while this test holds the messages, the sweep cannot remove them
    return dead_letters(duebook.environment["DUEBOOK_RABBITMQ_URL"])


def _counts(duebook: Platform) -> dict[str, int]:
    """How many messages in the dead-letter queue each run has."""
    return {run_id: len(deaths) for run_id, deaths in dead_messages(duebook).items()}


def test_messages_of_redriven_and_discarded_runs_leave_the_queue(duebook: Platform) -> None:
    fixed = dead(duebook, task="fail.until", payload={"attempt": 2})
    edited = dead(duebook, task="fail.until", payload={"attempt": 99})
    hopeless = dead(duebook, max_retries=1)
    discarded, untouched = dead(duebook), dead(duebook)
    _redrive(duebook, fixed, reason="it was too early")
    _redrive(duebook, edited, reason="a wrong payload", payload={"attempt": 2})
    _redrive(duebook, hopeless, reason="one more try")
    answer = duebook.api.post(f"/api/dead-letter/{discarded['id']}/discard", json={"reason": "not needed"})
    assert (answer.status_code, answer.json()["status"]) == (200, "discarded")
    for run in (fixed, edited):
        ended = duebook.await_run(run["job_id"], "succeeded")
        assert (ended["id"], ended["attempt"], ended["failures"], ended["result"]) == (run["id"], 2, 0, {"attempt": 2})
    dead_again = eventually(lambda: _dead_after(duebook, hopeless["id"], 4))
    assert (dead_again["failures"], dead_again["max_attempts"]) == (2, 2)
    assert [e["event"] for e in dead_again["lineage"]] == ["RunDeadLettered", "RunRedriven", "RunDeadLettered"]
    left = {hopeless["id"], untouched["id"]}
    eventually(lambda: _counts(duebook) == dict.fromkeys(left, 1), 60, lambda: f"{_counts(duebook)}, not {left}")
    redriven = next(e for e in events(duebook, edited["id"]) if e["type"] == "RunRedriven")
    assert (redriven["data"]["payload"], redriven["data"]["reason"]) == ({"attempt": 2}, "a wrong payload")
    assert types(duebook, discarded["id"])[-1] == "RunDiscarded"


def _redrive(duebook: Platform, run: dict[str, Any], **body: Any) -> None:
    answer = duebook.api.post(f"/api/dead-letter/{run['id']}/redrive", json=body)
    assert (answer.status_code, answer.json()["id"]) == (202, run["id"])


def _dead_after(duebook: Platform, run_id: str, attempt: int) -> dict[str, Any] | None:
    answer = duebook.api.get(f"/api/dead-letter/{run_id}")
    return answer.json() if answer.status_code == 200 and answer.json()["attempt"] == attempt else None


def test_moving_a_message_back_in_rabbitmq_is_a_redrive(duebook: Platform) -> None:
    run = dead(duebook, task="fail.until", payload={"attempt": 2})
    eventually(lambda: _move_back(duebook, run["id"]) == 1)  # the sweep may hold it for a moment
    ended = duebook.await_run(run["job_id"], "succeeded")
    assert (ended["id"], ended["attempt"], ended["failures"]) == (run["id"], 2, 0)
    redriven = next(e for e in events(duebook, run["id"]) if e["type"] == "RunRedriven")
    assert redriven["meta"]["actor"] == "an operator of RabbitMQ"
    eventually(lambda: run["id"] not in dead_messages(duebook))


def test_a_run_moved_back_that_fails_again_has_one_dead_letter(duebook: Platform) -> None:
    run = dead(duebook, max_retries=1)
    eventually(lambda: _move_back(duebook, run["id"]) == 1)
    eventually(lambda: _dead_after(duebook, run["id"], 4))
    eventually(lambda: len(dead_messages(duebook).get(run["id"], [])) == 1)
    assert types(duebook, run["id"]).count("RunRedriven") == 1


def test_moving_back_a_stale_message_changes_nothing(duebook: Platform) -> None:
    run = dead(duebook)
    answer = duebook.api.post(f"/api/dead-letter/{run['id']}/discard", json={"reason": "done by hand"})
    assert answer.status_code == 200
    before = events(duebook, run["id"])
    if _move_back(duebook, run["id"]):  # otherwise the sweep has removed it already
        later = duebook.create()
        duebook.await_run(later["id"], "succeeded")
    assert events(duebook, run["id"]) == before
    eventually(lambda: run["id"] not in dead_messages(duebook))


def _move_back(duebook: Platform, run_id: str, queue: str = "default") -> int:
    """Move a message, as an operator does, with body and headers to the exchange of work; returns how many moved."""

    async def move(channel: AbstractChannel) -> int:
        source, target = await channel.get_queue(dead_letter_queue(queue)), await channel.get_exchange(RUNS)
        moved, others = 0, []
        while (message := await source.get(fail=False)) is not None:
            if str(RunMessage.decode(message.body).run_id) != run_id:
                others.append(message)
                continue
            copy = aio_pika.Message(message.body, headers=message.headers, delivery_mode=2)
            await target.publish(copy, routing_key=queue)
            await message.ack()
            moved += 1
        return moved

    return on_channel(duebook.environment["DUEBOOK_RABBITMQ_URL"], move)
