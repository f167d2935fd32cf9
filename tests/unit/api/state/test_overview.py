"""The counts of an overview."""

from duebook_api.state.overview import summary
from duebook_api.state.run_counts import RunCount


def test_the_counts_of_queues_add_up() -> None:
    found = summary([RunCount("mail", "running", 2), RunCount("default", "due", 1), RunCount("default", "running", 3)])
    assert (found["running"], found["due"], found["retrying"]) == (5, 1, 0)
    assert [(each["queue"], each["running"]) for each in found["queues"]] == [("default", 3), ("mail", 2)]


def test_runs_and_occurrences_that_are_due_are_one_number() -> None:
    found = summary([RunCount("mail", "due", 2), RunCount("mail", "due", 3)])
    assert (found["due"], found["queues"][0]["due"]) == (5, 5)


def test_nothing_at_all_is_zero() -> None:
    assert summary([]) == {
        "due": 0,
        "dispatched": 0,
        "waiting": 0,
        "running": 0,
        "retrying": 0,
        "dead_lettered": 0,
        "queues": [],
    }
