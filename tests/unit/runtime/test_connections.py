"""Which connection is closed for a new one."""

import pytest

from duebook_common.runtime.connections import SPARE, Connections, most_connections


def opened(count: int, most: int = 2) -> Connections[int]:
    connections: Connections[int] = Connections(most)
    for number in range(count):
        assert connections.add(number) is None
    return connections


def test_the_oldest_connection_without_a_request_is_closed_for_a_new_one() -> None:
    connections = opened(2)
    connections.busy(0)
    assert connections.add(2) == 1
    assert connections.add(3) == 2, "1 is being closed already"
    connections.remove(1)
    connections.remove(2)
    assert not connections.crowded


def test_a_connection_that_got_its_answer_waits_again_as_the_newest() -> None:
    connections = opened(2)
    connections.busy(0)
    connections.idle(0)
    assert connections.add(2) == 1


def test_while_all_are_busy_some_more_are_taken_for_probes_and_then_none() -> None:
    connections = opened(2)
    for number in range(2 + SPARE):
        if number >= 2:
            assert connections.add(number) is None
        connections.busy(number)
    assert connections.crowded
    assert connections.add(100) == 100


def test_a_closed_connection_does_not_come_back() -> None:
    connections = opened(1)
    connections.remove(0)
    connections.idle(0)
    assert connections.add(1) is None
    assert connections.add(2) is None
    assert connections.add(3) == 1


@pytest.mark.parametrize(
    ("wanted", "descriptors", "most"),
    [(1000, 1024, 464), (1000, 256, 80), (64, 1024, 64), (1000, 1_000_000, 1000), (1000, 20, 8)],
)
def test_few_descriptors_mean_few_connections(wanted: int, descriptors: int, most: int) -> None:
    assert most_connections(wanted, descriptors) == most
