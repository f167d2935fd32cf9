"""RabbitMQ restarts, or loses all its data: the database still knows which runs are due."""

import pytest

from duebook_devstack.rabbitmq import RabbitMQ
from support.amqp import dead_letters
from support.fleet import Platform, eventually
from support.load import Load, held, launch, mix

_QUEUED = "SELECT run_id FROM runs WHERE status = 'dispatched'"


@pytest.fixture
def load(platform: Platform, private_rabbitmq: RabbitMQ) -> Load:
    """One executor that is full, so that 200 more runs wait in RabbitMQ."""
    load = Load(platform, DUEBOOK_RABBITMQ_URL=private_rabbitmq.url, DUEBOOK_CONCURRENCY="8")
    launch(platform, api=1, scheduler=1, executor=1)
    load.submit(held(8, "gate"))
    load.await_running(8, "gate")
    load.submit(mix(200))
    eventually(lambda: len(load.query(_QUEUED)) == 200)
    return load


def test_a_restart_of_rabbitmq_interrupts_no_attempt(load: Load, private_rabbitmq: RabbitMQ) -> None:
    with load.submitting(mix(60), mix(40)):
        private_rabbitmq.restart()
    load.open("gate")
    load.check()
    assert load.events("AttemptLost") == []
    assert {row["attempt"] for row in load.held("gate")} == {1}


def test_every_run_still_ends_after_rabbitmq_lost_all_its_data(load: Load, private_rabbitmq: RabbitMQ) -> None:
    with load.submitting(mix(60), mix(40)):
        private_rabbitmq.wipe()
    load.open("gate")
    load.check()
    assert load.events("AttemptLost") == []
    assert {row["attempt"] for row in load.held("gate")} == {1}
    dead = {row["run_id"] for row in load.events("RunDeadLettered")}
    eventually(
        lambda: dead_letters(private_rabbitmq.url).keys() == dead,
        120,
        lambda: f"{len(dead_letters(private_rabbitmq.url))} of {len(dead)} dead letters are in the dead-letter queue",
    )
