"""The names of queues, and the arguments that they are declared with."""

from duebook_common.broker import topology
from duebook_common.broker.topology import dead_letter_queue, work_arguments, work_queue


def test_a_work_queue_is_declared_with_its_dead_letter_queue() -> None:
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


def test_rejected_notifications_go_to_a_dead_letter_queue() -> None:
    arguments = topology.NOTIFICATION_ARGUMENTS
    assert arguments["x-dead-letter-exchange"] == ""
    assert arguments["x-dead-letter-routing-key"] == topology.NOTIFICATIONS_DEAD
    for declared in (arguments, topology.DEAD_LETTER_ARGUMENTS):
        assert (declared["x-queue-type"], declared["x-delivery-limit"]) == ("quorum", 2147483647)
