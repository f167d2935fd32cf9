"""What has to be done so that the API has the jobs of the files. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from duebook.cli.job_sets.files import TAG, Fault, FileJob, InvalidFiles, JobFiles

_ABSENT = object()


class Action(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field, or a part of one, before and after; None where it is absent."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Step:
    """One job to create, change or delete. `current` is the job as the API has it, `planned` its future definition."""

    action: Action
    key: str
    name: str
    current: Mapping[str, Any] | None = None
    planned: Mapping[str, Any] | None = None
    fields: tuple[FieldChange, ...] = ()
    job: FileJob | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in order; `left` are jobs of the sets that are in no file and stay, because nothing says to prune."""

    steps: tuple[Step, ...]
    unchanged: int
    left: tuple[str, ...]

    def count(self, action: Action) -> int:
        return sum(step.action is action for step in self.steps)


def checked_sets(files: JobFiles, current: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises InvalidFiles if a job belongs to another set already: two files would change it back and forth."""
    faults = [
        job.fault("/key", f"this job belongs to the set {other}; delete it there first, or use another key")
        for job in files.jobs
        if (other := set_of(current.get(job.key))) not in {None, job.set}
    ]
    if faults:
        raise InvalidFiles(faults)


def set_of(job: Mapping[str, Any] | None) -> str | None:
    """The set that a job of the API belongs to."""
    return next((tag.removeprefix(TAG) for tag in (job or {}).get("tags", ()) if tag.startswith(TAG)), None)


def faults_of(jobs: Sequence[FileJob], errors: Mapping[str, str]) -> list[Fault]:
    """The errors of a batch as faults of its files; pointers are like `/jobs/3/timezone`."""
    found = []
    for pointer, message in errors.items():
        _, _, number, *field = pointer.split("/", 3)
        found.append(jobs[int(number)].fault("/" + field[0] if field else "", message))
    return found


def make_plan(
    files: JobFiles,
    current: Mapping[str, Mapping[str, Any]],
    planned: Mapping[str, Mapping[str, Any]],
    *,
    prune: bool,
) -> Plan:
    """The plan, from the jobs that the API has and the future definitions, both by key."""
    steps = [_step(job, current.get(job.key), planned[job.key]) for job in files.jobs]
    keys = {job.key for job in files.jobs}
    left = {key: job for key, job in current.items() if key not in keys and set_of(job) in files.sets}
    deletions = [Step(Action.DELETE, key, job["name"], current=job) for key, job in left.items()] if prune else []
    needed = [step for step in steps if step is not None]
    return Plan((*needed, *deletions), len(steps) - len(needed), () if prune else tuple(left))


def _step(job: FileJob, current: Mapping[str, Any] | None, planned: Mapping[str, Any]) -> Step | None:
    planned = {**planned, "key": job.key}
    if current is None:
        return Step(Action.CREATE, job.key, planned["name"], planned=planned, job=job)
    fields = tuple(_differences(current, planned))
    if not fields:
        return None
    return Step(Action.CHANGE, job.key, planned["name"], current, planned, fields, job)


def _differences(current: Mapping[str, Any], planned: Mapping[str, Any]) -> list[FieldChange]:
    return [change for name, after in planned.items() for change in compare(name, current.get(name, _ABSENT), after)]


def compare(name: str, before: Any, after: Any) -> list[FieldChange]:
    """The differences of two JSON values; objects are compared member by member."""
    if isinstance(before, dict) and isinstance(after, dict):
        members = dict.fromkeys([*before, *after])
        pairs = ((each, before.get(each, _ABSENT), after.get(each, _ABSENT)) for each in members)
        return [change for each, old, new in pairs for change in compare(f"{name}.{each}", old, new)]
    if _same(before, after):
        return []
    return [FieldChange(name, None if before is _ABSENT else before, None if after is _ABSENT else after)]


def _same(before: Any, after: Any) -> bool:
    """Equal as JSON: 2 and 2.0 are the same number, 1 and true are not the same."""
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(_same(before[key], after[key]) for key in before)
    return bool(before == after) and isinstance(before, bool) == isinstance(after, bool)
