"""What the log leaves out of an event because it follows from the rest."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.run.events import AttemptStarted, AttemptSucceeded
from duebook_common.store.codec import Event, complete, decode, encode
from support.samples import JOB_ID, MINUTE, NOW, SECOND, a_definition

STARTED = AttemptStarted(attempt=1, executor="executor a", wake_at=NOW + 30 * SECOND, at=NOW)
SUCCEEDED = AttemptSucceeded(attempt=1, at=NOW)
CREATED = JobCreated(definition=a_definition(), next_at=NOW, at=NOW)
LATER = NOW + MINUTE


@pytest.mark.parametrize(
    ("event", "left_out"),
    [
        (STARTED, {"wake_at": "2026-11-24T01:00:30Z"}),
        (replace(STARTED, wake_at=LATER), {}),
        (SUCCEEDED, {"result": None}),
        (replace(SUCCEEDED, result=0), {}),
        (CREATED, {"next_at": "2026-11-24T01:00:00Z", "next_due_at": None, "request_hash": None}),
        (replace(CREATED, next_at=LATER, next_due_at=LATER, request_hash="x"), {}),
        (replace(CREATED, next_at=None, next_due_at=LATER, request_hash="x"), {}),
    ],
)
def test_an_event_is_stored_without_what_follows_from_the_rest(event: Event, left_out: dict[str, Any]) -> None:
    name, encoded = encode(event)
    data = orjson.loads(encoded)
    assert not left_out.keys() & data.keys()
    assert complete(name, data, JOB_ID).keys() == data.keys() | (left_out.keys() & {"wake_at", "result", "next_at"})
    for field, value in left_out.items():
        assert complete(name, data, JOB_ID).get(field) == value
    assert decode(name, data, JOB_ID) == event


def test_a_time_that_the_database_replaces_implies_no_other() -> None:
    """The start of an attempt that has a rate: its lease ends by the clock of its executor."""
    _, data = encode(STARTED, at_is_final=False)
    assert orjson.loads(data)["wake_at"] == "2026-11-24T01:00:30Z"
