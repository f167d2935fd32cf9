"""What travels through RabbitMQ, and where it goes. Outcomes have a file of their own."""

from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_common.broker import topology
from duebook_common.broker.messages import MessageUnreadable, RunMessage
from duebook_common.broker.topology import dead_letter_queue, work_arguments, work_queue
from support.samples import RUN_ID


@given(st.uuids(), st.integers(0, 2**31), st.booleans())
def test_a_run_survives_the_wire(run_id: UUID, dispatch: int, bury: bool) -> None:
    message = RunMessage(run_id, dispatch, bury)
    assert RunMessage.decode(message.encode()) == message


def test_a_message_carries_ids_and_numbers_only() -> None:
    assert orjson.loads(RunMessage(RUN_ID, 3).encode()) == {
        "v": 1, "run_id": str(RUN_ID), "dispatch": 3, "bury": False,
    }  # fmt: skip


def test_fields_of_a_newer_version_are_passed_over_and_a_missing_mark_is_none() -> None:
    body = orjson.dumps({"v": 1, "run_id": str(RUN_ID), "dispatch": 3, "colour": "red"})
    assert RunMessage.decode(body) == RunMessage(RUN_ID, 3)


WRONG = [
    {"v": 2}, {"v": None}, {"dispatch": "3"}, {"dispatch": True}, {"dispatch": 3.0}, {"dispatch": None}, {"bury": 1},
    {"bury": None}, {"run_id": "7"}, {"run_id": 7}, {"run_id": None}, {"run_id": []},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_a_field_that_is_wrong_makes_a_message_unreadable(wrong: dict[str, object]) -> None:
    with pytest.raises(MessageUnreadable):
        RunMessage.decode(orjson.dumps(orjson.loads(RunMessage(RUN_ID, 3).encode()) | wrong))


@given(st.binary(max_size=40) | st.sampled_from([b"[]", b"null", b"1", b'"x"', b"{}", b'{"v":1}', b"[[[", b"\xff"]))
def test_any_other_bytes_are_unreadable_and_nothing_worse(body: bytes) -> None:
    with pytest.raises(MessageUnreadable):
        RunMessage.decode(body)


def test_a_queue_and_its_dead_letters_are_a_pair() -> None:
    assert (work_queue("default"), dead_letter_queue("default")) == (
        "duebook.runs.default", "duebook.dead-letters.default",
    )  # fmt: skip
    assert work_arguments("default") == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 2147483647,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "duebook.dead-letters",
        "x-dead-letter-routing-key": "default",
    }


def test_notifications_rest_in_a_queue_of_their_own() -> None:
    arguments = topology.NOTIFICATION_ARGUMENTS
    assert arguments["x-dead-letter-exchange"] == ""
    assert arguments["x-dead-letter-routing-key"] == topology.NOTIFICATIONS_DEAD
    for declared in (arguments, topology.DEAD_LETTER_ARGUMENTS):
        assert (declared["x-queue-type"], declared["x-delivery-limit"]) == ("quorum", 2147483647)
