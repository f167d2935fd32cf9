"""A failing run is retried with growing delays up to its limit, then dead-lettered, in RabbitMQ too."""

import pytest

from support.amqp import dead_letters
from support.fleet import Platform, eventually
from support.histories import events, job_log, recorded, types
from support.load import metric
from support.silence import SHARED_CORES

pytestmark = pytest.mark.xdist_group("retries")

_BACKOFF = {"initial": "PT0.4S", "factor": 2, "max": "PT1M", "jitter": 0}


def test_a_run_is_retried_with_growing_delays_and_then_dead_lettered(duebook: Platform) -> None:
    job = duebook.create(task="fail", queue="default", max_retries=3, backoff=_BACKOFF)
    run = duebook.await_run(job["id"], "dead_lettered")
    assert (run["attempt"], run["failures"], run["max_attempts"], run["error"]) == (4, 4, 4, "as ever")
    history = events(duebook, run["id"])
    assert types(duebook, run["id"]) == [
        "RunDispatched",
        *["AttemptStarted", "AttemptFailed", "RunRequeued"] * 3,
        *["AttemptStarted", "AttemptFailed", "RunDeadLettered"],
    ]
    delays = [
        (started - failed).total_seconds()
        for failed, started in zip(
            recorded(history, "AttemptFailed"), recorded(history, "AttemptStarted")[1:], strict=False
        )
    ]
    for delay, least in zip(delays, [0.4, 0.8, 1.6], strict=True):
        assert least * 0.95 < delay < least + 3 * SHARED_CORES
    statuses = [status for status, _ in job_log(duebook, job["id"])]
    assert statuses == [*["started", "failed"] * 4, "dead_lettered"]
    _check_rabbitmq(duebook, run["id"])
    _check_counters(duebook, job["id"])


def _check_rabbitmq(duebook: Platform, run_id: str) -> None:
    broker = duebook.environment["DUEBOOK_RABBITMQ_URL"]
    (death,) = eventually(lambda: dead_letters(broker).get(run_id))
    assert (death["queue"], death["reason"], death["exchange"]) == ("duebook.runs.default", "rejected", "duebook.runs")
    assert death["count"] == 1


def _check_counters(duebook: Platform, job_id: str) -> None:
    assert [item["job_id"] for item in duebook.get(f"/api/dead-letter?job_id={job_id}")["items"]] == [job_id]
    api, executor = duebook["api", 0], duebook["executor", 0]
    eventually(lambda: metric(api, 'duebook_dead_letters{queue="default"}') >= 1)
    assert metric(executor, 'duebook_dead_letters_total{queue="default"}') >= 1
    assert metric(executor, 'duebook_retries_total{queue="default"}') >= 3
