"""What a delivery of a run's message is, by the state of the run."""

from duebook_common.domain.run.commands import FailAttempt, Succeed
from duebook_common.domain.run.deliveries import DeliveryClass, classify_delivery
from support.run_commands import dead, do, has_task, redrive, running
from support.samples import HOUR, MINUTE, NOW, a_run


def test_a_delivery_is_classified_by_the_state_of_its_run() -> None:
    late = NOW + HOUR
    deadline = a_run(start_within=MINUTE)
    classes = [
        (None, 1, NOW, DeliveryClass.STALE),
        (a_run(), 1, NOW, DeliveryClass.START),
        (a_run(), 2, NOW, DeliveryClass.STALE),
        (deadline, 1, NOW + MINUTE, DeliveryClass.START),
        (deadline, 1, late, DeliveryClass.EXPIRED),
        (running(), 1, NOW, DeliveryClass.RUNNING),
        (do(running(), FailAttempt(1, "boom", NOW, 0.5)), 1, NOW, DeliveryClass.STALE),
        (do(running(), Succeed(1, None, NOW)), 1, NOW, DeliveryClass.STALE),
        (dead(), 1, NOW, DeliveryClass.BURY),
        (dead(), 0, NOW, DeliveryClass.STALE),
    ]
    unknown = classify_delivery(a_run(), 1, NOW, lambda name: name != "log", from_dead_letters=False)
    assert unknown is DeliveryClass.UNKNOWN_TASK
    for run, dispatch, now, class_ in classes:
        assert classify_delivery(run, dispatch, now, has_task, from_dead_letters=False) is class_


def test_a_dead_letter_moved_back_is_a_redrive_and_other_copies_are_stale() -> None:
    assert classify_delivery(dead(), 1, NOW, has_task, from_dead_letters=True) is DeliveryClass.REDRIVE
    assert classify_delivery(do(dead(), redrive()), 1, NOW, has_task, from_dead_letters=True) is DeliveryClass.STALE
    assert classify_delivery(dead(), 2, NOW, has_task, from_dead_letters=True) is DeliveryClass.STALE
