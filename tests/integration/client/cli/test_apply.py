"""`duebook apply`. Against a real api and database."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from support.fleet import eventually
from support.program import Program

NIGHTLY = {"key": "nightly", "name": "nightly report", "recurrence": {"cron": "0 2 * * *"}, "timezone": "Europe/Berlin"}
HOURLY = {"key": "hourly", "name": "hourly import", "recurrence": {"every": "PT1H"}, "timeout": "PT90S"}


def write(*jobs: dict[str, Any], name: str = "jobs.json", set_name: str = "reports") -> None:
    Path(name).write_text(json.dumps({"set": set_name, "jobs": jobs}, indent=1))


def keys(duebook: Program) -> set[str]:
    return {job["key"] for job in duebook.data("job", "list")}


def plan(duebook: Program, *more: str) -> list[tuple[str, str]]:
    done = duebook("apply", "-f", "jobs.json", "--plan", "-o", "json", *more)
    steps = json.loads(done.stdout)["steps"]
    assert done.exit_code == (2 if steps else 0), done.stderr
    return [(step["action"], step["key"]) for step in steps]


def test_files_are_planned_applied_changed_and_pruned(duebook: Program) -> None:
    write(NIGHTLY, HOURLY)
    duebook.job("of another origin")
    assert plan(duebook) == [("create", "nightly"), ("create", "hourly")]
    assert keys(duebook) == {None}
    first = duebook("job", "apply", "-f", "jobs.json")
    assert (first.exit_code, "times added" in first.stdout) == (0, True)
    assert keys(duebook) == {None, "nightly", "hourly"}
    versions = [job["version"] for job in duebook.data("job", "list")]
    again = duebook("apply", "-f", "jobs.json")
    assert (again.exit_code, again.stdout, "2 unchanged" in again.stderr) == (0, "", True)
    assert [job["version"] for job in duebook.data("job", "list")] == versions
    assert plan(duebook) == []

    write(NIGHTLY | {"recurrence": {"every": "PT30M"}})
    shown = duebook("apply", "-f", "jobs.json", "--plan", "--prune")
    assert (shown.exit_code, "- recurrence.cron: 0 2 * * *" in shown.stdout) == (2, True)
    assert "kept without --prune: hourly" in duebook("apply", "-f", "jobs.json").stderr
    assert plan(duebook, "--prune") == [("delete", "hourly")]
    assert duebook("apply", "-f", "jobs.json", "--prune").exit_code == 0
    assert keys(duebook) == {None, "nightly"}
    assert duebook.data("job", "show", "key:nightly")["recurrence"] == {"every": "PT30M"}


def test_one_wrong_job_changes_nothing_and_is_found_by_its_line(duebook: Program) -> None:
    write(NIGHTLY, HOURLY | {"timezone": "Mars", "priorty": 1})
    done = duebook("apply", "-f", "jobs.json")
    assert (done.exit_code, done.stdout, keys(duebook)) == (1, "", set())
    assert "jobs.json:19: job hourly: /timezone: " in done.stderr
    assert "jobs.json:20: job hourly: /priorty: there is no such field" in done.stderr
    assert done.stderr.endswith("nothing was changed\n")


def test_a_set_neither_takes_jobs_of_another_nor_prunes_them(duebook: Program) -> None:
    write(NIGHTLY)
    write(HOURLY, name="other.json", set_name="imports")
    assert duebook("apply", "-f", "jobs.json", "-f", "other.json").exit_code == 0
    write(HOURLY)
    taken = duebook("apply", "-f", "jobs.json", "--prune")
    assert (taken.exit_code, "belongs to the set imports" in taken.stderr) == (1, True)
    write()
    assert duebook("apply", "-f", "jobs.json", "--prune").exit_code == 0
    assert keys(duebook) == {"hourly"}


def test_a_killed_apply_of_two_hundred_jobs_is_repeated(duebook: Program) -> None:
    write(*({**NIGHTLY, "key": f"job-{n}", "payload": {"n": n}} for n in range(200)))
    with duebook.started("apply", "-f", "jobs.json") as process:
        eventually(lambda: duebook.data("job", "list", "--limit", "3"), 60)
        process.send_signal(signal.SIGKILL)
    # The api may still be at work on the last request.
    eventually(lambda: len(plan(duebook)) == 200 - len(duebook.data("job", "list", "--limit", "300")))
    assert duebook("apply", "-f", "jobs.json").exit_code == 0
    assert len(keys(duebook)) <= 50
    assert len(duebook.data("job", "list", "--limit", "300")) == 200
    assert plan(duebook) == []
    write(*({**NIGHTLY, "key": f"job-{n}", "recurrence": "daily"} for n in range(200)))
    assert len(plan(duebook)) == 200


def test_the_schema_of_a_file_is_printed_without_a_server(offline: Program) -> None:
    schema = json.loads(offline("apply", "--schema").stdout)
    assert {"key", "recurrence", "timezone"} <= schema["$defs"]["Job"]["properties"].keys()


@pytest.mark.parametrize("arguments", [(), ("-f", "none.yaml")])
def test_an_apply_without_files_is_refused(offline: Program, arguments: tuple[str, ...]) -> None:
    assert offline("apply", *arguments).exit_code in {1, 2}
