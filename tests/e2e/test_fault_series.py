"""Many jobs due every second, and one of several schedulers dies: each nominal time has one run."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from support.fleet import Platform, eventually
from support.load import Load, launch

_JOBS, _TIMES, _SECOND = 200, 30, timedelta(seconds=1)
_RUNS = "SELECT job_id::text, nominal_at, status FROM runs"


def test_two_hundred_jobs_a_second_survive_the_death_of_a_scheduler(platform: Platform) -> None:
    load = Load(platform, DUEBOOK_LEASE="PT5S", DUEBOOK_MISFIRE="PT1H")
    launch(platform, api=1, scheduler=3, executor=1)
    first = datetime.now(UTC).replace(microsecond=0) + 3 * _SECOND
    times = [first + n * _SECOND for n in range(_TIMES)]
    definition = {
        "name": "load", "task": "log", "overlap": "allow_all", "recurrence": {"every": "PT1S"},
        "scheduled_at": first.isoformat(), "ends_at": times[-1].isoformat(),
    }  # fmt: skip
    answer = platform.api.post("/api/job/batch", json={"jobs": [definition] * _JOBS}).raise_for_status()
    ids = [job["id"] for job in answer.json()["items"]]
    eventually(lambda: len(load.query(_RUNS)) >= _JOBS * _TIMES // 3)
    platform["scheduler", 1].kill()
    eventually(lambda: _finished(load) == _JOBS, 180, load.summary)
    load.await_ended(_JOBS * _TIMES, 180)
    runs = load.query(_RUNS)
    assert Counter((run["job_id"], run["nominal_at"]) for run in runs) == {(id_, at): 1 for id_ in ids for at in times}
    assert {run["status"] for run in runs} == {"succeeded"}
    load.check_invariants()


def _finished(load: Load) -> Any:
    return load.query("SELECT count(*) FROM jobs WHERE status = 'finished'")[0][0]
