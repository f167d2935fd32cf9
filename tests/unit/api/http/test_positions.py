from uuid import UUID

import pytest

from duebook_api.http.positions import Position, parse, position_of, text_of
from duebook_api.http.problems import Problem
from duebook_common.store.eventstore import RecordedEvent
from support.samples import JOB_ID, NOW

EVENT = RecordedEvent(
    xid=7,
    position=42,
    id=UUID("0123456789abcdef0123456789abcdef"),
    stream="job-1",
    version=1,
    type="JobPaused",
    job_id=JOB_ID,
    data={},
    meta={},
    recorded_at=NOW,
)


def test_a_position_is_the_order_of_its_event_and_a_mark_of_it() -> None:
    assert text_of(EVENT) == "7-42-01234567"
    assert parse(text_of(EVENT)) == position_of(EVENT) == Position(7, 42)


def test_positions_are_ordered_by_transaction_first() -> None:
    assert Position(6, 99) < Position(7, 1) < Position(7, 2)


@pytest.mark.parametrize(
    "text", ["", "7-42", "7-42-0123456", "7-42-0123456G", "7-42-01234567 ", "-7-42-01234567", f"{2**63}-1-01234567"]
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(text, "/cursor")
    assert (caught.value.status, caught.value.faults[0].pointer) == (422, "/cursor")
