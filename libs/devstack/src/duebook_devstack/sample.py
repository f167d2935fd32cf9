"""The first job of a new installation, from the request to its history."""

import time
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

_SECONDS = 60
_JOB = {"name": "sample", "task": "log", "payload": {"message": "every due job, accounted for"}}


class SampleFailed(Exception):
    """The sample job did not succeed; the message says how far it came."""


def run_where_none(url: str, key: str | None, console: Console) -> None:
    """Where no job exists yet, create one, wait until its run has succeeded, and print its history."""
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
    raise SampleFailed(
        f"the sample job's run is {run['status']} after {_SECONDS} s: {run.get('error') or 'no error yet'}"
    )


def _print_history(api: httpx2.Client, job: dict[str, Any], run: dict[str, Any], console: Console) -> None:
    table = Table("when", "what", "details", title=f"The sample job {job['id']}, end to end", title_justify="left")
    for event in (
        _get(api, f"/api/job/{job['id']}/events")["items"] + _get(api, f"/api/run/{run['id']}/events")["items"]
    ):
        table.add_row(_clock(event["recorded_at"]), event["type"], _brief(event["data"]))
    lines = Table("when", "attempt", "status", "message", title="Its job log", title_justify="left")
    for line in reversed(_get(api, f"/api/job-log/job/{job['id']}")["items"]):
        lines.add_row(_clock(line["logged_at"]), str(line["attempt"]), line["status"], line["message"] or "")
    console.print(table, lines, sep="\n")


def _get(api: httpx2.Client, path: str) -> Any:
    return api.get(path).raise_for_status().json()


def _clock(when: str) -> str:
    return when.partition("T")[2].removesuffix("Z")


def _brief(data: dict[str, Any]) -> str:
    """The small facts of an event: what is nested, long or empty is left to the API."""
    small = {
        name: value for name, value in data.items() if isinstance(value, (str, int, bool)) and len(str(value)) <= 40
    }
    return ", ".join(f"{name}={value}" for name, value in list(small.items())[:4])
