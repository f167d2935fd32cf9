"""Where looks for due rows begin, and how seldom a slow look from the beginning is taken."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from duebook_scheduler.looks import MARGIN, Lane, LaneId, Looks
from support.samples import HOUR, NOW, SECOND

QUICK, SLOW = 0.0005, 0.1  # seconds
A = LaneId("a", 4)


def after_slow_looks(*found: Lane) -> Looks:
    looks = Looks()
    for _ in range(5):
        looks.saw_all(found, NOW, 0.0, SLOW)
    return looks


def test_each_look_is_a_full_one_while_they_are_quick() -> None:
    looks = Looks()
    for clock in range(5):
        assert looks.is_full(clock)
        looks.saw_all([Lane("a", 4, NOW)], NOW, clock, clock + QUICK)
    assert looks.full_in(5) is None


def test_a_few_slow_looks_are_no_reason_for_watermarks() -> None:
    looks = Looks()
    looks.saw_all([Lane("a", 4, NOW)], NOW, 0, QUICK)
    for _ in range(4):
        looks.saw_all([Lane("a", 4, NOW)], NOW, 0, SLOW)
    assert looks.is_full(1)


def test_looks_at_many_lanes_may_take_longer() -> None:
    found = [Lane(f"queue-{n}", 4, NOW) for n in range(5_000)]
    looks = Looks()
    looks.saw_all(found, NOW, 0, SLOW)
    assert looks.is_full(0.2)


def test_slow_full_looks_take_a_fiftieth_of_the_time() -> None:
    looks = after_slow_looks(Lane("a", 4, NOW))
    assert not looks.is_full(SLOW + 49.9 * SLOW)
    assert looks.is_full(SLOW + 50.1 * SLOW)
    assert looks.full_in(SLOW + 50 * SLOW) == timedelta(0)


def test_once_a_full_look_is_quick_again_each_is_one() -> None:
    looks = after_slow_looks(Lane("a", 4, NOW), Lane("b", 4, NOW))
    looks.saw_all([Lane("a", 4, NOW)], NOW, 3, 3 + QUICK)
    assert looks.is_full(3.1)
    assert looks.full_in(3.1) is None


def test_a_full_look_that_took_too_long_is_repeated_after_five_minutes() -> None:
    assert not Looks().gave_up(0, 15), "without watermarks there is no other look"
    looks = after_slow_looks(Lane("a", 4, NOW))
    assert not looks.gave_up(10, 12), "an operator has cancelled it"
    assert looks.gave_up(10, 25)
    assert not looks.is_full(25 + 299)
    assert looks.is_full(25 + 301)


def test_a_lane_with_rows_left_is_read_from_the_first_of_them() -> None:
    assert after_slow_looks(Lane(*A, NOW - HOUR)).watermarks(NOW) == {A: NOW - HOUR}


def test_a_lane_with_nothing_due_is_read_from_shortly_before_now() -> None:
    assert after_slow_looks(Lane(*A, NOW + HOUR)).watermarks(NOW) == {A: NOW - MARGIN}


def test_after_the_clock_was_set_back_a_lane_is_read_from_before_that_time() -> None:
    assert after_slow_looks(Lane(*A, NOW)).watermarks(NOW - HOUR) == {A: NOW - HOUR - MARGIN}


def test_a_lane_that_became_empty_keeps_its_watermark() -> None:
    looks = after_slow_looks(Lane(*A, NOW))
    looks.saw_all([], NOW, 2, 2 + SLOW)
    assert looks.watermarks(NOW + HOUR) == {A: NOW - MARGIN}


def test_a_new_lane_is_known_once_it_was_seen() -> None:
    looks = after_slow_looks(Lane("b", 4, NOW))
    looks.saw([Lane("b", 4, NOW + HOUR), Lane("a", 9, NOW - HOUR)], NOW)
    watermarks = looks.watermarks(NOW)
    assert watermarks == {LaneId("a", 9): NOW - HOUR, LaneId("b", 4): NOW - MARGIN}
    assert list(watermarks) == sorted(watermarks)


STEPS = st.one_of(
    st.tuples(st.just("pass"), st.floats(0, 3)),  # seconds
    st.tuples(st.just("write"), st.floats(-0.9, 5)),  # seconds from now: what a transaction may have read
    st.tuples(st.just("look"), st.sampled_from([QUICK, SLOW, 1.0])),
    st.tuples(st.just("set back"), st.floats(0, 100)),
)


class World:
    """One lane, a scheduler that looks at it, and the two clocks."""

    def __init__(self) -> None:
        self.looks, self.rows, self.now, self.clock = Looks(), list[datetime](), NOW, 1.0
        for _ in range(5):
            self.looks.saw_all([Lane(*A, NOW)], NOW, 0, 1.0)

    def look(self, took: float) -> None:
        """The first row that is due must be found. It is dealt with; others may be left."""
        is_full, watermark, until = (
            self.looks.is_full(self.clock),
            self.looks.watermarks(self.now)[A],
            self.now + SECOND,
        )
        read = [row for row in self.rows if row <= until and (is_full or row >= watermark)]
        lane = Lane(*A, min(read, default=until))
        if is_full:
            self.looks.saw_all([lane], self.now, self.clock, self.clock + took)
        else:
            self.looks.saw([lane], self.now)
        if due := [row for row in self.rows if row <= self.now]:
            assert lane.first == min(due)
            self.rows.remove(lane.first)


@settings(max_examples=400)
@given(st.lists(STEPS, min_size=4, max_size=40))
def test_what_is_written_in_time_is_found_by_the_next_look(steps: list[tuple[str, float]]) -> None:
    world = World()
    for step, value in steps:
        match step:
            case "pass":
                world.now, world.clock = world.now + timedelta(seconds=value), world.clock + value
            case "write":
                world.rows.append(world.now + timedelta(seconds=value))
            case "set back":
                world.now -= timedelta(seconds=value)
                world.look(QUICK)
            case _:
                world.look(value)


@given(st.floats(0, 15), st.floats(0, 1_000))
def test_a_full_look_always_comes(took: float, later: float) -> None:
    looks = Looks()
    for _ in range(5):
        looks.saw_all([Lane(*A, NOW)], NOW, 0, took)
    left = looks.full_in(took + later)
    assert left is None or left <= timedelta(seconds=min(took * 50, 300))
    assert looks.is_full(took + later + took * 50 + 0.001)
