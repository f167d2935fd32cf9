from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from duebook_common.broker.messages import MessageUnreadable, OutcomeMessage

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


def test_an_outcome_survives_the_wire() -> None:
    assert OutcomeMessage.decode(OUTCOME.encode()) == OUTCOME
    assert OUTCOME.routing_key == "run.dead_lettered"


def test_so_do_occurrences_that_were_missed_together() -> None:
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
def test_anything_else_is_unreadable(body: bytes) -> None:
    with pytest.raises(MessageUnreadable):
        OutcomeMessage.decode(body)
