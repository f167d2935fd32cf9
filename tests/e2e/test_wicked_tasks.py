"""Misbehaving tasks: their runs end with a clear error, and the executor goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Platform, eventually
from support.histories import events, executor_of, job_log
from support.load import metric

pytestmark = pytest.mark.xdist_group("wicked tasks")


@pytest.fixture(autouse=True)
def _unharmed(duebook: Platform) -> Iterator[None]:
    """After each test the same executor process still runs tasks."""
    process = duebook["executor", 0].process
    yield
    for task in ("log", "nap"):
        duebook.await_run(duebook.create(task=task)["id"], "succeeded")
    eventually(lambda: duebook["executor", 0].ready)
    assert duebook["executor", 0].process is process
    assert process is not None
    assert process.exit_code is None


def dead(duebook: Platform, **job: Any) -> str:
    """The error of a job that fails at its first attempt."""
    error = duebook.await_run(duebook.create(**{"max_retries": 0, **job})["id"], "dead_lettered")["error"]
    assert isinstance(error, str)
    return error


_ERRORS = {
    "system_exit": "SystemExit: 3",
    "keyboard_interrupt": "KeyboardInterrupt",
    "base": "OddEnd: odd",
    "generator_exit": "GeneratorExit",
    "silent": "Unspeakable: its message cannot be read",
}


@pytest.mark.parametrize("task", ["raise", "raise.plain"])
def test_every_exception_of_a_task_is_the_error_of_its_attempt(duebook: Platform, task: str) -> None:
    for kind, error in _ERRORS.items():
        assert dead(duebook, task=task, payload={"kind": kind}) == error
    assert "StopIteration" in dead(duebook, task=task, payload={"kind": "stop_iteration"})


def test_a_result_that_json_cannot_hold_is_an_error_without_retry(duebook: Platform) -> None:
    for kind in ("set", "object", "bytes", "half", "nul", "loop"):
        error = dead(duebook, task="return", payload={"kind": kind}, max_retries=5)
        assert error.startswith("the task returned a value that JSON cannot hold"), kind
    assert "bytes of JSON" in dead(duebook, task="return", payload={"kind": "huge"}, max_retries=5)


def test_an_invalid_payload_is_refused_or_fails_without_retry(duebook: Platform) -> None:
    answer = duebook.api.post("/api/job", json={"name": "odd", "task": "nap", "payload": {"seconds": "many"}})
    if answer.status_code == 422:  # if the api knows the task's schema
        assert answer.json()["errors"][0]["pointer"] == "/payload/seconds"
        return
    run = duebook.await_run(answer.json()["id"], "dead_lettered")
    assert run["attempt"] == 1
    assert "/seconds" in run["error"]


def test_a_plain_function_runs_in_a_thread_and_writes_to_the_job_log(duebook: Platform) -> None:
    job = duebook.create(task="nap.plain", payload={"seconds": 0.05})
    run = duebook.await_run(job["id"], "succeeded")
    assert run["result"] == {"attempt": 1, "key": run["id"]}
    assert ("log", "slept for 0.05 s") in job_log(duebook, job["id"])


def test_tasks_that_block_their_event_loop_do_not_block_others(duebook: Platform, gate: Path) -> None:
    blocking = [duebook.create(task="block", payload={"gate": str(gate)}, max_retries=0) for _ in range(2)]
    eventually(lambda: any(r["status"] == "running" for job in blocking for r in duebook.runs(job["id"])))
    quick = duebook.create(task="log")
    duebook.await_run(quick["id"], "succeeded")
    # tasks on the blocked loop wait; after the executor has noticed it, further tasks get a new loop
    eventually(lambda: "further tasks get a new one" in _log(duebook))
    nap = duebook.create(task="nap")
    duebook.await_run(nap["id"], "succeeded")
    assert any(duebook.runs(job["id"])[0]["status"] == "running" for job in blocking), "the nap ended before them"
    gate.touch()
    for job in blocking:
        run = duebook.await_run(job["id"], "succeeded", 120)
        assert (run["attempt"], run["result"]) == (1, "blocked")


def _log(duebook: Platform) -> str:
    return duebook["executor", 0].log.read_text(encoding="utf-8")


def test_a_task_that_ignores_its_timeout_is_abandoned(duebook: Platform) -> None:
    for task in ("stubborn", "nap.plain"):
        error = dead(duebook, task=task, payload={"seconds": 10}, timeout="PT0.2S")
        assert error.startswith("timed out after 0.2 s and was given up: it may still be running")
    eventually(lambda: metric(duebook["executor", 0], "duebook_abandoned_tasks") == 0)


def test_it_is_recorded_that_a_cancelled_plain_function_may_still_run(duebook: Platform) -> None:
    job = duebook.create(task="nap.plain", payload={"seconds": 20})
    run = duebook.await_run(job["id"], "running")
    duebook.api.post(f"/api/run/{run['id']}/cancel", json={}).raise_for_status()
    duebook.await_run(job["id"], "cancelled")
    because = duebook.get(f"/api/run/{run['id']}/why")["because"]
    assert "given up and may still be running" in because[-1]["says"]
    assert ("cancelled", "given up, and may still be running") in job_log(duebook, job["id"])
    assert metric(duebook["executor", 0], "duebook_abandoned_tasks") >= 1


@pytest.fixture(scope="module")
def apart(duebook: Platform) -> Iterator[str]:
    """A queue with an executor of its own, for tasks that do something to the whole process."""
    with executor_of(duebook, "apart"):
        yield "apart"


def test_what_a_task_prints_goes_to_the_output_of_its_executor_and_nowhere_else(duebook: Platform, apart: str) -> None:
    job = duebook.create(task="print.much", queue=apart, max_retries=0)
    assert duebook.await_run(job["id"], "succeeded", 60)["result"] == 10_000
    assert not [message for status, message in job_log(duebook, job["id"]) if status == "log"]
    assert duebook["executor", 1].log.stat().st_size >= 100_000_000


def test_a_task_that_forks_has_one_outcome_and_its_executor_goes_on(duebook: Platform, apart: str) -> None:
    jobs = [duebook.create(task="fork", queue=apart, max_retries=0) for _ in range(5)]
    for job in jobs:
        run = duebook.await_run(job["id"], "succeeded")
        assert run["result"] == 3
        types = [event["type"] for event in events(duebook, run["id"])]
        assert types == ["RunDispatched", "AttemptStarted", "AttemptSucceeded"]
    assert duebook.await_run(duebook.create(queue=apart)["id"], "succeeded")["attempt"] == 1


def test_a_task_that_gets_no_more_memory_fails_and_gives_back_what_it_took(duebook: Platform, apart: str) -> None:
    before = metric(duebook["executor", 1], "process_resident_memory_bytes")
    assert dead(duebook, task="leak", queue=apart) == "MemoryError"
    assert duebook.await_run(duebook.create(queue=apart)["id"], "succeeded")["attempt"] == 1
    eventually(lambda: metric(duebook["executor", 1], "process_resident_memory_bytes") < before + 2**27)
