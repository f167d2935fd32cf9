"""What services send each other survives encoding and decoding; any other body is unreadable."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_common.broker.messages import MessageUnreadable, OutcomeMessage, RunMessage
from support.samples import RUN_ID


@given(st.uuids(), st.integers(0, 2**31), st.booleans())
def test_a_run_survives_encoding_and_decoding(run_id: UUID, dispatch: int, bury: bool) -> None:
    message = RunMessage(run_id, dispatch, bury)
    assert RunMessage.decode(message.encode()) == message


def test_a_run_message_has_ids_and_numbers_only() -> None:
    assert orjson.loads(RunMessage(RUN_ID, 3).encode()) == {
        "v": 1, "run_id": str(RUN_ID), "dispatch": 3, "bury": False,
    }  # fmt: skip


def test_unknown_fields_are_ignored_and_bury_is_false_by_default() -> None:
    body = orjson.dumps({"v": 1, "run_id": str(RUN_ID), "dispatch": 3, "colour": "red"})
    assert RunMessage.decode(body) == RunMessage(RUN_ID, 3)


WRONG = [
    {"v": 2}, {"v": None}, {"dispatch": "3"}, {"dispatch": True}, {"dispatch": 3.0}, {"dispatch": None}, {"bury": 1},
    {"bury": None}, {"run_id": "7"}, {"run_id": 7}, {"run_id": None}, {"run_id": []},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_an_invalid_field_makes_a_run_message_unreadable(wrong: dict[str, object]) -> None:
    with pytest.raises(MessageUnreadable):
        RunMessage.decode(orjson.dumps(orjson.loads(RunMessage(RUN_ID, 3).encode()) | wrong))


@given(st.binary(max_size=40) | st.sampled_from([b"[]", b"null", b"1", b'"x"', b"{}", b'{"v":1}', b"[[[", b"\xff"]))
def test_any_other_body_is_no_run(body: bytes) -> None:
    with pytest.raises(MessageUnreadable):
        RunMessage.decode(body)


OUTCOME = OutcomeMessage(
    run_id=UUID(int=1),
    job_id=UUID(int=2),
    outcome="dead_lettered",
    attempt=4,
    version=9,
    at=datetime(2026, 11, 24, 1, tzinfo=UTC),
    notify=True,
    job_name="nightly report",
    task="log",
    queue="default",
)


def test_an_outcome_survives_encoding_and_decoding() -> None:
    assert OutcomeMessage.decode(OUTCOME.encode()) == OUTCOME
    assert OUTCOME.routing_key == "run.dead_lettered"


def test_an_outcome_of_missed_occurrences_does_too() -> None:
    missed = replace(OUTCOME, outcome="missed", missed={"first": "a", "last": "b", "count": 2, "reason": "missed"})
    assert OutcomeMessage.decode(missed.encode()) == missed
    assert b"missed" not in OUTCOME.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        *(
            orjson.dumps(orjson.loads(OUTCOME.encode()) | wrong)
            for wrong in (
                {"v": 2},
                {"version": "9"},
                {"notify": 1},
                {"run_id": 5},
                {"at": None},
                {"at": "soon"},
                {"missed": 5},
            )
        ),
    ],
)
def test_any_other_body_is_no_outcome(body: bytes) -> None:
    with pytest.raises(MessageUnreadable):
        OutcomeMessage.decode(body)
