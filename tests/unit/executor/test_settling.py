"""What is told to the broker settles exactly what ended, with as few words as that takes."""

from hypothesis import given
from hypothesis import strategies as st

from duebook_executor.settling import Row

Told = list[tuple[str, int | None, bool]]


def told(row: Row, acked: set[int], rejected: set[int] | None = None) -> Told:
    frames = row.settle(acked, rejected or set())
    return [(frame.name, frame.delivery_tag, getattr(frame, "multiple", False)) for frame in frames]


def test_what_ends_in_a_row_takes_one_word() -> None:
    row = Row()
    assert told(row, {1, 2, 3}) == [("Basic.Ack", 3, True)]
    assert told(row, {5, 4}) == [("Basic.Ack", 5, True)]


def test_beyond_one_that_is_under_way_each_is_settled_by_itself_until_the_row_closes() -> None:
    row = Row()
    assert told(row, {1, 3, 4}) == [("Basic.Ack", 1, True), ("Basic.Ack", 3, False), ("Basic.Ack", 4, False)]
    assert told(row, {6}) == [("Basic.Ack", 6, False)]
    assert told(row, {2, 5, 7}) == [("Basic.Ack", 7, True)]


def test_a_rejected_one_is_not_taken_along() -> None:
    row = Row()
    assert told(row, {1, 3}, {2}) == [("Basic.Reject", 2, False), ("Basic.Ack", 3, True)]
    assert told(row, set(), {4}) == [("Basic.Reject", 4, False)]
    assert told(row, {5}, {6}) == [("Basic.Reject", 6, False), ("Basic.Ack", 5, True)]


@given(st.data())
def test_a_broker_that_hears_it_settles_each_once_and_as_it_ended(data: st.DataObject) -> None:
    acked = data.draw(st.lists(st.booleans(), min_size=1, max_size=30))
    order = data.draw(st.permutations(range(1, len(acked) + 1)))
    row, held, settled = Row(), set(order), dict[int | None, bool]()
    while order:
        cut = data.draw(st.integers(1, len(order)))
        batch, order = order[:cut], order[cut:]
        ends = {tag: acked[tag - 1] for tag in batch}
        for name, last, multiple in told(row, {t for t in ends if ends[t]}, {t for t in ends if not ends[t]}):
            assert last in held, "the broker closes the channel for a delivery that it does not know"
            reach = {tag for tag in held if tag == last or (multiple and tag < last)}
            settled |= dict.fromkeys(reach, name == "Basic.Ack")
            held -= reach
        assert set(order) == held
    assert settled == dict(enumerate(acked, 1))
