"""A rate holds in every span of time, with any number of schedulers and executors, some of which die or freeze."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from support.fleet import Platform, eventually
from support.load import JobSpec, Load, job_spec, launch

SECOND = timedelta(seconds=1)
_LIMIT, _RUNS = (10, 500) if os.environ.get("DUEBOOK_TEST_RATE") == "full" else (25, 180)
# Positions in the line: a scheduler leaves out the runs whose jobs another one has locked, and looks at them again.
_AT_ONCE = 25

_LINE = "SELECT run_id::text FROM runs ORDER BY created_at, nominal_at, run_id"
_AHEAD = """
SELECT count(*) FROM runs, (SELECT created_at, nominal_at, run_id FROM runs WHERE run_id = $1::uuid) AS last
WHERE status = 'waiting'
AND (runs.created_at, runs.nominal_at, runs.run_id) < (last.created_at, last.nominal_at, last.run_id)
"""


def rated(count: int, **fields: Any) -> list[JobSpec]:
    spec = job_spec(**fields)
    return [JobSpec(spec.job | {"rate": {"key": "stripe", "limit": _LIMIT, "per": "PT1S"}}, spec.status)] * count


def most_in_a_span(times: Sequence[datetime], span: timedelta) -> int:
    """The largest number of these times that lie in one span of this length, both ends included."""
    times, first, most = sorted(times), 0, 0
    for number, time in enumerate(times):
        while time - times[first] > span:
            first += 1
        most = max(most, number - first + 1)
    return most


def starts(load: Load) -> list[datetime]:
    """When attempts started; what the events say themselves is what the database has recorded."""
    started = load.events("AttemptStarted")
    assert {datetime.fromisoformat(row["data"]["at"]) - row["recorded_at"] for row in started} == {timedelta(0)}
    return [row["recorded_at"] for row in started]


def check_order(load: Load) -> None:
    """The runs were sent in the order of their creation, but for what schedulers decide at the same moment."""
    line = [row["run_id"] for row in load.query(_LINE)]
    sent = [row["run_id"] for row in load.events("RunRequeued")]
    ahead_of_others = [line.index(run_id) - number for number, run_id in enumerate(dict.fromkeys(sent))]
    assert max(map(abs, ahead_of_others)) <= _AT_ONCE


@dataclass(frozen=True)
class Promise:
    """What `why` has said of a run in the line: that it starts at this time at the earliest."""

    run_id: str
    at: datetime


def promised(load: Load) -> Promise:
    """Ask `why` about the last run of the line, and check how many runs it says are ahead."""
    run_id = load.query(_LINE)[-1]["run_id"]
    most = load.query(_AHEAD, run_id)[0]["count"]
    answer = load.platform.get(f"/api/run/{run_id}/why")["answer"]
    found = re.search(r"in any second.* (\d+) runs are ahead of it, .* start at about (\S+?)\.", answer)
    assert found, answer
    assert load.query(_AHEAD, run_id)[0]["count"] - _AT_ONCE <= int(found[1]) <= most + _AT_ONCE
    return Promise(run_id, datetime.fromisoformat(found[2]))


def check_promise(load: Load, promise: Promise) -> None:
    """The run has started at that time or later, but for what schedulers decide at the same moment."""
    [start] = [row["recorded_at"] for row in load.events("AttemptStarted") if row["run_id"] == promise.run_id]
    assert start >= promise.at - 3 * SECOND


def show(load: Load, times: Sequence[datetime]) -> None:
    lasted = (times[-1] - times[0]).total_seconds()
    rate = (len(times) - _LIMIT) / lasted
    print(f"{len(times)} starts in {lasted:.2f} s: {rate:.2f}/s after the first {_LIMIT}; most in a second")
    print(f"{most_in_a_span(times, SECOND)}; sent back {len(load.events('RunDeferred'))}")


def test_a_rate_holds_while_one_of_three_schedulers_is_killed(platform: Platform) -> None:
    load = Load(platform, DUEBOOK_LEASE="PT30S")
    launch(platform, api=1, scheduler=3, executor=2)
    load.submit(rated(_RUNS))
    eventually(lambda: len(load.events("AttemptStarted")) > 2 * _LIMIT)
    platform["scheduler", 0].kill()
    promise = promised(load)
    load.check()
    times = starts(load)
    show(load, times)
    assert len(times) == _RUNS
    assert most_in_a_span(times, SECOND) <= _LIMIT
    check_order(load)
    check_promise(load, promise)


def test_a_frozen_executor_with_messages_exceeds_no_rate_later(platform: Platform) -> None:
    load = Load(platform, DUEBOOK_LEASE="PT30S")
    launch(platform, api=1, scheduler=1, executor=2)
    load.submit(rated(_RUNS))
    eventually(lambda: len(load.events("AttemptStarted")) > _LIMIT)
    platform["executor", 0].pause()
    frozen_at = len(load.events("AttemptStarted"))
    eventually(lambda: len(load.events("AttemptStarted")) > frozen_at + 2 * _LIMIT, 60)  # the other one goes on
    platform["executor", 0].resume()
    load.check()
    times = starts(load)
    show(load, times)
    assert most_in_a_span(times, SECOND) <= _LIMIT
