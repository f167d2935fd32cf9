"""Processes die between the decision about runs and the instant at which these are due."""

from datetime import UTC, datetime, timedelta

from duebook_devstack.rabbitmq import RabbitMQ
from support.fleet import Platform, eventually
from support.load import JobSpec, Load, job_spec, launch

_COUNT = 10


def test_each_run_starts_once_and_none_early_whatever_dies_before(
    platform: Platform, private_rabbitmq: RabbitMQ
) -> None:
    own = {"DUEBOOK_RABBITMQ_URL": private_rabbitmq.url, "DUEBOOK_QUEUES": "default,undeclared"}
    load = Load(platform, DUEBOOK_LOOK_AHEAD="PT5S", **own)
    launch(platform, api=1, scheduler=1, executor=1)

    load.submit(_due_soon())
    eventually(lambda: len(load.events("AttemptStarted")) >= _COUNT)
    platform["executor", 0].kill()  # between the start and the instant: these attempts are lost
    launch(platform, executor=1)

    platform["executor", 1].pause()
    load.submit(_due_soon())
    eventually(lambda: len(load.events("RunDispatched")) >= 2 * _COUNT)
    platform["executor", 1].kill()  # between the publish and the start: other executors get the messages
    launch(platform, executor=1)

    private_rabbitmq.pause()
    load.submit(_due_soon("undeclared"))  # the scheduler must declare the queue first, and hangs
    eventually(lambda: len(load.events("RunDispatched")) >= 3 * _COUNT)
    platform["scheduler", 0].kill()  # between the commit and the publish: the next scheduler sends the messages
    private_rabbitmq.resume()
    launch(platform, scheduler=1)

    load.check()
    assert len(load.events("RunDispatched")) == 3 * _COUNT
    due = {row["run_id"]: row["due_at"] for row in load.query("SELECT run_id::text, due_at FROM runs")}
    assert {run_id: at for run_id, at in load.effect_times().items() if at < due[run_id]} == {}


def _due_soon(queue: str = "default") -> list[JobSpec]:
    due_at = datetime.now(UTC) + timedelta(seconds=6)
    return [JobSpec(job_spec(queue=queue).job | {"scheduled_at": due_at.isoformat()})] * _COUNT
