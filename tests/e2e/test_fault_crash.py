"""All services are killed at once, with jobs in every state: after a restart every job goes on."""

from datetime import UTC, datetime, timedelta
from typing import Any

from support.fleet import Platform, eventually
from support.load import JobSpec, Load, held, job_spec, launch, mix
from support.smtp_server import Mailbox

_STATES = "SELECT DISTINCT status FROM runs"
_RETRYING = "SELECT count(*) AS runs FROM runs WHERE status = 'retrying'"


def test_a_crash_of_all_services_loses_no_job_and_repeats_no_outcome(platform: Platform, smtp: Mailbox) -> None:
    load = Load(platform, DUEBOOK_CONCURRENCY="12", DUEBOOK_NOTIFY_TO="ops@example.com")
    launch(platform, api=1, scheduler=2, executor=1, notifier=1)
    load.submit(mix(40))
    load.await_ended(40)
    ahead = datetime.now(UTC) + timedelta(seconds=15)
    load.submit([_at(ahead)] * 20)
    (paused,) = load.submit([_at(ahead + timedelta(days=1))])
    platform.api.post(f"/api/job/{paused}/pause", json={"reason": "until the crash is over"}).raise_for_status()
    load.submit([_slow_to_retry()] * 4)
    eventually(lambda: load.query(_RETRYING)[0]["runs"] == 4)
    load.submit(held(12, "gate"))
    load.await_running(12, "gate")
    load.submit(mix(100))  # these stay in RabbitMQ, because the executor is full
    eventually(lambda: _states(load) == {"dispatched", "running", "retrying", "succeeded", "dead_lettered"})

    for service in platform.services.values():
        service.kill()
    for service in platform.services.values():
        service.start()
    for service in platform.services.values():
        service.await_ready()

    load.open("gate")
    assert platform.get(f"/api/job/{paused}")["status"] == "paused"
    platform.api.post(f"/api/job/{paused}/trigger", json={}).raise_for_status()
    load.check()
    assert [row["attempt"] for row in load.held("gate")] == [2] * 12
    assert len(_due_at(load, ahead)) == 20
    assert all(load.effect_times()[row["run_id"]] >= ahead for row in _due_at(load, ahead))
    eventually(
        lambda: len(_message_ids(smtp)) == len(load.expected), 180
    )  # one mail for each outcome; a duplicate has the same id


def _slow_to_retry() -> JobSpec:
    slow = job_spec(failures=1)
    return JobSpec(slow.job | {"backoff": {"initial": "PT30S", "jitter": 0}})


def _at(time: datetime) -> JobSpec:
    later = job_spec()
    return JobSpec(later.job | {"scheduled_at": time.isoformat()})


def _states(load: Load) -> set[str]:
    return {row["status"] for row in load.query(_STATES)}


def _due_at(load: Load, nominal: datetime) -> list[Any]:
    return [row for row in load.events("RunDispatched") if datetime.fromisoformat(row["data"]["nominal_at"]) == nominal]


def _message_ids(smtp: Mailbox) -> set[str]:
    return {str(message["Message-ID"]) for message in smtp.messages}
