"""The sample job of a new installation: created, run, and its history printed."""

import time
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

_SECONDS = 60
_JOB = {"name": "sample", "task": "log", "payload": {"message": "every due job, accounted for"}}


class SampleFailed(Exception):
    """The sample job did not succeed in time; the message has its status and error."""


def run_if_no_jobs(url: str, key: str | None, console: Console) -> None:
    """If there is no job yet, create one, wait until its run has succeeded, and print its history."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx2.Client(base_url=url, headers=headers, timeout=10, trust_env=False) as api:
        if _get(api, "/api/job?limit=1")["items"]:
            return
        job = api.post("/api/job", json=_JOB).raise_for_status().json()
        run = _await_success(api, job["id"])
        _print_history(api, job, run, console)


def _await_success(api: httpx2.Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + _SECONDS
    run: dict[str, Any] = {"status": "not dispatched"}
    while time.monotonic() < deadline:
        runs = _get(api, f"/api/job/{job_id}/runs")["items"]
        run = runs[0] if runs else run
        if run["status"] == "succeeded":
            return run
        time.sleep(0.1)
    error = run.get("error") or "no error"
    raise SampleFailed(f"the sample job's run is {run['status']} after {_SECONDS} s: {error}")


def _print_history(api: httpx2.Client, job: dict[str, Any], run: dict[str, Any], console: Console) -> None:
    events = Table("time", "event", "data", title=f"The events of the sample job {job['id']}", title_justify="left")
    for path in (f"/api/job/{job['id']}/events", f"/api/run/{run['id']}/events"):
        for event in _get(api, path)["items"]:
            events.add_row(_time_of_day(event["recorded_at"]), event["type"], _short_fields(event["data"]))
    log = Table("time", "attempt", "status", "message", title="Its job log", title_justify="left")
    for line in reversed(_get(api, f"/api/job-log/job/{job['id']}")["items"]):
        log.add_row(_time_of_day(line["logged_at"]), str(line["attempt"]), line["status"], line["message"] or "")
    console.print(events, log, sep="\n")


def _get(api: httpx2.Client, path: str) -> Any:
    return api.get(path).raise_for_status().json()


def _time_of_day(timestamp: str) -> str:
    return timestamp.partition("T")[2].removesuffix("Z")


def _short_fields(data: dict[str, Any]) -> str:
    """The first four fields of an event that are neither nested nor long."""
    short = [
        f"{name}={value}" for name, value in data.items() if isinstance(value, str | int) and len(str(value)) <= 40
    ]
    return ", ".join(short[:4])
