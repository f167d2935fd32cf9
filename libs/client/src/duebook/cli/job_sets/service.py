"""The requests of `duebook apply`: what the API has, what it would make of the files, and the steps of a plan."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar
from urllib.parse import quote_plus

from duebook.cli.failures import Failure
from duebook.cli.job_sets import effects
from duebook.cli.job_sets.files import TAG, InvalidFiles, JobFiles
from duebook.cli.job_sets.plan import Action, Plan, Step, compare, faults_of
from duebook.client import Client, Conflict, Invalid, NotFound
from duebook.client.paths import path_of
from duebook.client.steps import send
from duebook.client.wire import Request

T = TypeVar("T")

_BATCH, _AT_ONCE = 500, 8
# Keys of one request, and their characters as a URL has them: some proxies take 8 KB for the line of a request.
_KEYS, _KEY_CHARACTERS = 50, 4_000
_DAYS = timedelta(days=7)


class NoForecast(Exception):
    """The effect on the schedule is not known; the message says why. The plan itself is none the worse."""


def current_jobs(api: Client, files: JobFiles) -> dict[str, dict[str, Any]]:
    """By key the jobs of the files' sets, and those that have a key of a file without being in its set.

    A job with the tag of a set and without a key was made by other means: an apply leaves it alone.
    """
    tagged = [job for name in files.sets for job in api.items("/api/job", tag=TAG + name)]
    found = {job["key"]: job for job in tagged if job["key"] is not None}
    missing = [job.key for job in files.jobs if job.key not in found]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        others = chain.from_iterable(threads.map(partial(_jobs, api), _key_batches(missing)))
        return found | {job["key"]: job for job in others}


def _key_batches(keys: Iterable[str]) -> Iterator[list[str]]:
    """Batches of keys, each for one request. No job has a key that is too long for one: the dry run refuses it."""
    batch: list[str] = []
    characters = 0
    for key in keys:
        size = len(quote_plus(f"{key},"))
        if size > _KEY_CHARACTERS:
            continue
        if len(batch) == _KEYS or characters + size > _KEY_CHARACTERS:
            yield batch
            batch, characters = [], 0
        batch.append(key)
        characters += size
    if batch:
        yield batch


def _jobs(api: Client, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The jobs that have one of these keys."""
    try:
        return list(api.items("/api/job", key=keys))
    except Invalid:  # no job can have one of the keys, of which the dry run names the fault
        return [job for key in keys if (job := _job(api, key)) is not None]


def _job(api: Client, key: str) -> dict[str, Any] | None:
    try:
        job: dict[str, Any] = api.get(path_of("job", f"key:{key}"))
    except (NotFound, Invalid):  # the dry run names the fault of a key that no job can have
        return None
    return job


def planned_jobs(api: Client, files: JobFiles) -> dict[str, dict[str, Any]]:
    """By key the definitions that the API would make of the files; raises InvalidFiles. Nothing is made."""
    planned: dict[str, dict[str, Any]] = {}
    for jobs in _batches(files.jobs, _BATCH):
        bodies = [job.body for job in jobs]
        try:
            answer = api.post("/api/job/batch?dry_run=true&replace=true", {"jobs": bodies})
        except (Invalid, Conflict) as error:
            if not error.faults:
                raise
            raise InvalidFiles(faults_of(jobs, {each.pointer: each.detail for each in error.faults})) from None
        planned |= {job.key: item["job"] for job, item in zip(jobs, answer["items"], strict=True)}
    return planned


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def effect_of(api: Client, plan: Plan, sets: Sequence[str]) -> dict[str, Any] | None:
    """What the plan does to the schedule of the next seven days; None if it leaves all schedules as they are.

    Where there are too many jobs to forecast them all, only those of the set are. Raises NoForecast.
    """
    changes = effects.changes_of(plan)
    if not changes:
        return None
    now = datetime.now(UTC)
    window = {"from": now.isoformat(), "to": (now + _DAYS).isoformat()}
    try:
        return _effect(api, window, changes)
    except Invalid as error:
        if "/filter" not in error.errors or len(sets) != 1:
            raise NoForecast(error.detail) from None
    try:
        return _effect(api, {**window, "filter": {"tag": TAG + sets[0]}}, changes)
    except Invalid as error:
        raise NoForecast(error.detail) from None


def _effect(api: Client, window: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    before = api.post("/api/schedule/forecast", window)
    return effects.effect(before, api.post("/api/schedule/forecast", {**window, "changes": changes}))


def execute(api: Client, steps: Iterable[Step]) -> Iterator[Step]:
    """Execute one step after the other, and yield each once it is done. Repeating a step changes nothing."""
    for step in steps:
        try:
            _execute(api, step)
        except (Conflict, NotFound):
            if not _is_done(api, step):
                raise Failure(
                    f"job {step.key} was changed meanwhile; nothing after it was applied: repeat it"
                ) from None
        yield step


def _execute(api: Client, step: Step) -> None:
    match step.action:
        case Action.DELETE:
            assert step.current is not None
            path = path_of("job", step.current["id"])  # another job may have the key since
            api.perform(send(Request("DELETE", path, headers=_match(step)), lambda _: None))
        case _:
            assert step.job is not None
            path = path_of("job", f"key:{step.key}")
            api.perform(send(Request("PUT", path, body=step.job.body, headers=_match(step)), lambda _: None))


def _match(step: Step) -> dict[str, str]:
    """What was compared: this version, or that there is no such job. So no change in between is lost."""
    return {"If-None-Match": "*"} if step.current is None else {"If-Match": f'"{step.current["version"]}"'}


def _is_done(api: Client, step: Step) -> bool:
    """Whether the step was done before: the answer to an earlier request for it was lost."""
    job = _job(api, step.key)
    if step.action is Action.DELETE:
        return job is None
    planned = dict(step.planned or {})
    if step.job is not None and "scheduled_at" not in step.job.body:
        planned.pop("scheduled_at", None)  # by default it is the time of the request
    return job is not None and not any(compare(name, job.get(name), value) for name, value in planned.items())
