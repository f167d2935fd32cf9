"""The difference between files and jobs, and what it does to the schedule."""

from typing import Any

import pytest

from duebook.cli.job_sets import description, effects
from duebook.cli.job_sets.files import FileJob, InvalidFiles, JobFiles
from duebook.cli.job_sets.plan import Action, checked_sets, compare, faults_of, make_plan
from support.client_answers import JOB


def file_job(key: str, n: int = 0, **body: Any) -> FileJob:
    fields = {"key": key, "name": key, "tags": ["set:a"], **body}
    return FileJob(key, "a", fields, "a.yaml", f"/jobs/{n}", {f"/jobs/{n}": n + 3})


def files(*jobs: FileJob) -> JobFiles:
    return JobFiles(("a",), jobs)


def job(key: str, **fields: Any) -> dict[str, Any]:
    return JOB | {"key": key, "name": key, "tags": ["set:a"], "id": f"id of {key}"} | fields


_STATE = {"id", "status", "next_due_at", "created_at", "updated_at", "version", "warnings"}


def planned(key: str, **fields: Any) -> dict[str, Any]:
    return {name: value for name, value in job(key, **fields).items() if name not in _STATE} | {"key": None}


def test_jobs_are_created_changed_kept_and_deleted() -> None:
    found = files(file_job("new"), file_job("same"), file_job("other", timeout="PT9M"))
    current = {key: job(key) for key in ("same", "other", "gone")}
    future = {"new": planned("new"), "same": planned("same"), "other": planned("other", timeout="PT9M")}
    plan = make_plan(found, current, future, prune=True)
    assert [(step.action, step.key) for step in plan.steps] == [
        (Action.CREATE, "new"),
        (Action.CHANGE, "other"),
        (Action.DELETE, "gone"),
    ]
    assert (plan.unchanged, plan.left) == (1, ())
    assert make_plan(found, current, future, prune=False).left == ("gone",)
    lines = list(description.describe(plan))
    assert lines[0] == "+ create new"
    assert lines[-4:] == ["~ change other", "    - timeout: PT5M", "    + timeout: PT9M", "- delete gone"]
    assert description.summary(plan) == "1 to create, 1 to change, 1 to delete, 1 unchanged"
    assert description.as_json(plan, None)["steps"][2] == {
        "action": "delete", "key": "gone", "name": "gone", "job_id": "id of gone", "fields": [],
    }  # fmt: skip


def test_only_jobs_of_the_files_sets_are_deleted() -> None:
    current = {"other": job("other", tags=["set:b"]), "free": job("free", tags=[])}
    assert make_plan(files(), current, {}, prune=True).steps == ()


def test_a_job_of_another_set_is_refused_and_one_of_none_is_taken_in() -> None:
    with pytest.raises(InvalidFiles, match=r"a\.yaml:3: job one: /key: this job belongs to the set b"):
        checked_sets(files(file_job("one")), {"one": job("one", tags=["x", "set:b"])})
    checked_sets(files(file_job("one")), {"one": job("one", tags=[])})
    plan = make_plan(files(file_job("one")), {"one": job("one", tags=[])}, {"one": planned("one")}, prune=False)
    assert [(change.name, change.after) for change in plan.steps[0].fields] == [("tags", ["set:a"])]


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3, "d": 1}}, ["p.b.c", "p.b.d"]),
        ({"a": 1}, {}, ["p.a"]),
        ({"a": 2}, {"a": 2.0}, []),
        ({"a": 1}, {"a": True}, ["p.a"]),
        ([1, [True]], [1, [1]], ["p"]),
        ("daily", {"cron": "0 2 * * *"}, ["p"]),
        (None, None, []),
    ],
)
def test_values_are_compared_as_json_member_by_member(before: Any, after: Any, names: list[str]) -> None:
    assert [change.name for change in compare("p", before, after)] == names


def test_refusals_of_the_api_are_faults_of_the_file() -> None:
    jobs = [file_job("one", 0), file_job("two", 1)]
    found = faults_of(jobs, {"/jobs/1/backoff/max": "too long", "/jobs/0": "no job"})
    assert [str(fault) for fault in found] == [
        "a.yaml:4: job two: /backoff/max: too long",
        "a.yaml:3: job one: no job",
    ]


def test_a_forecast_gets_what_the_schedule_depends_on() -> None:
    every = planned("other", recurrence={"every": "PT1H"}, payload={"big": 1})
    found = files(file_job("new"), file_job("other"), file_job("text"))
    current = {"other": job("other", recurrence={"cron": "0 2 * * *"}), "text": job("text"), "gone": job("gone")}
    future = {"new": planned("new"), "other": every, "text": planned("text", payload={"a": 1})}
    changes = effects.changes_of(make_plan(found, current, future, prune=True))
    assert changes[1] == {"job_id": "id of other", "patch": {"recurrence": {"every": "PT1H"}}}
    assert changes[2] == {"delete": "id of gone"}
    assert changes[0]["create"]["name"] == "new"
    assert "payload" not in changes[0]["create"]
    assert len(changes) == 3


def test_no_text_of_a_job_controls_the_terminal() -> None:
    current, future = job("one", payload="\x1b[31m"), planned("one", payload={"a": "\x1b]0;x\x07"}, name="a\x1b[2Jb")
    lines = list(
        description.describe(make_plan(files(file_job("one")), {"one": current}, {"one": future}, prune=False))
    )
    assert "\x1b" not in "".join(lines)
    assert lines[0] == r"~ change one (a\x1b[2Jb)"


def forecast(runs: int, **more: Any) -> dict[str, Any]:
    peak = {"mean": {"runs": runs, "at": "2026-11-25T02:00:00Z"}}
    none = {"count": 0, "times": []}
    base = {"from": "…", "to": "2026-12-01", "queues": [{"queue": "default", "peak": peak}], "clock_changes": []}
    return base | {"added": none, "removed": none} | more


def test_the_effect_on_the_schedule_is_described_in_lines() -> None:
    times = [{"nominal_at": f"2026-11-2{n}", "name": "nightly", "job_id": None} for n in range(4, 10)]
    changes = [{"says": "clocks go back", "jobs_hit": 2}, {"says": "nothing", "jobs_hit": 0}]
    after = forecast(5, added={"count": 7, "times": times}, clock_changes=changes)
    lines = list(description.describe_effect(effects.effect(forecast(3), after)))
    assert lines[1:3] == ["+ 7 times added", "    + 2026-11-24  nightly"]
    assert lines[-3:] == [
        "    + …",
        "queue default: 5 runs at once at most, instead of 3 (2026-11-25T02:00:00Z)",
        "clocks go back; jobs affected: 2",
    ]
