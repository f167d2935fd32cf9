"""Load for fault tests: a mix of jobs, gates that hold some of them, and the checks after all have ended.

load = Load(platform)
launch(platform, api=1, scheduler=1, executor=2)
load.submit(mix(300), held(5, "gate"))
load.await_running(5, "gate")
...                      # the fault
load.open("gate")
load.check()             # every run ended as expected, no effect twice, no invariant broken
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2

from duebook_common.integrity.verify import verify
from duebook_common.store.database import connect
from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.services import Service
from support import servers
from support.fleet import Platform, eventually

LEASE = "PT5S"  # a full machine may keep an executor waiting for seconds
_BACKOFF = {"initial": "PT0.1S", "factor": 2, "max": "PT0.5S", "jitter": 0}
_UNAVAILABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
_ENDED_RUNS = """
SELECT count(*) AS ended FROM runs WHERE status IN ('succeeded', 'dead_lettered', 'cancelled', 'skipped', 'discarded')
"""


@dataclass(frozen=True)
class JobSpec:
    """A job to submit, and the expected final status of its run."""

    job: dict[str, Any]
    status: str = "succeeded"


def job_spec(
    status: str = "succeeded", *, retries: int = 20, task: str = "effect", queue: str = "default", **work: Any
) -> JobSpec:
    """A job with an effect, and with enough retries for the losses of a fault test."""
    job = {"name": "load", "task": task, "payload": work, "queue": queue, "max_retries": retries, "backoff": _BACKOFF}
    return JobSpec(job, status)


def mix(count: int) -> list[JobSpec]:
    """Of twenty jobs one fails for good, one fails first, two are slow, six are quick and ten only log."""
    return [_kind(n % 20) for n in range(count)]


def _kind(n: int) -> JobSpec:
    match n:
        case 0:
            return job_spec("dead_lettered", retries=1, failures=99)
        case 1:
            return job_spec(failures=1)
        case 2:
            return job_spec(seconds=0.3)
        case 3:
            return job_spec(task="effect.plain", seconds=0.3)
        case 4 | 5 | 6 | 7 | 8 | 9:
            return job_spec()
        case _:
            return JobSpec({"name": "load", "task": "log", "payload": {"n": n}, "max_retries": 20, "backoff": _BACKOFF})


def held(count: int, gate: str, status: str = "succeeded", retries: int = 20) -> list[JobSpec]:
    """Jobs whose attempts wait until the gate opens."""
    return [job_spec(status, retries=retries, gate=gate)] * count


def metric(service: Service, name: str) -> float:
    """The sum of all samples whose name and labels start with `name`."""
    lines = httpx2.get(f"{service.url}/metrics", timeout=30, trust_env=False, verify=WITHOUT_TLS).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def launch(platform: Platform, **copies: int) -> None:
    """Start services at the same time, and wait until all are ready."""
    started = [service for kind, count in copies.items() for service in platform.launch(kind, count, {})]
    for service in started:
        service.await_ready()


class Load:
    """The jobs that one test submits to a platform, and queries and checks of their runs."""

    def __init__(self, platform: Platform, **environment: str) -> None:
        self.platform = platform
        self.directory = servers.private_path()
        self.expected: dict[str, str] = {}
        own = {"DUEBOOK_LEASE": LEASE, "DUEBOOK_TASKS": "e2e_tasks", "TESTS_EFFECTS": str(self.directory)}
        platform.environment |= own | environment

    @property
    def _url(self) -> str:
        return self.platform.environment["DUEBOOK_POSTGRES_URL"]

    def submit(self, *specs: Sequence[JobSpec]) -> list[str]:
        """Create the jobs in one batch, retried with its idempotency key until the api accepts it. Returns the ids."""
        flat = [spec for batch in specs for spec in batch]
        body, headers = {"jobs": [spec.job for spec in flat]}, {"Idempotency-Key": str(uuid4())}
        with httpx2.Client(
            base_url=self.platform["api", 0].url, timeout=30, trust_env=False, verify=WITHOUT_TLS
        ) as api:
            answer = eventually(lambda: _post(api, body, headers), 60)
        ids = [item["id"] for item in answer["items"]]
        self.expected |= {job_id: spec.status for job_id, spec in zip(ids, flat, strict=True)}
        return ids

    @contextmanager
    def submitting(self, *batches: Sequence[JobSpec]) -> Iterator[None]:
        """Submit batch after batch while the block runs; wait at its end until all are accepted."""
        with ThreadPoolExecutor(1) as pool:
            submitted: list[Future[list[str]]] = [pool.submit(self.submit, batch) for batch in batches]
            yield
        for batch in submitted:
            batch.result()

    def open(self, gate: str) -> None:
        """Let the attempts at the gate go on."""
        (self.directory / gate).touch()

    def effects(self) -> Counter[tuple[str, int]]:
        """How often each attempt of each run had its effect."""
        return Counter((run_id, int(attempt)) for run_id, attempt, _ in self._effects())

    def effect_times(self) -> dict[str, datetime]:
        """When each run had its first effect, by the wall clock."""
        return {run_id: datetime.fromtimestamp(float(time), UTC) for run_id, _, time in reversed(self._effects())}

    def _effects(self) -> list[list[str]]:
        file = self.directory / "effects"
        return [line.split() for line in file.read_text(encoding="ascii").splitlines()] if file.exists() else []

    # --- queries ------------------------------------------------------------------------------------------

    def query(self, statement: str, *arguments: Any) -> list[Any]:
        """The rows that the statement returns."""
        return self.platform.query(statement, *arguments)

    def events(self, type_: str) -> list[Any]:
        """The log's events of one type, oldest first: `run_id`, `version`, `data`, `attempt`, `recorded_at`."""
        return self.query(_EVENTS, type_)

    def held(self, gate: str, status: str | None = None) -> list[Any]:
        """The runs whose attempts wait or have waited at the gate."""
        return [row for row in self.query(_HELD, gate) if status in {None, row["status"]}]

    def await_running(self, count: int, gate: str) -> list[Any]:
        """Wait until this many runs wait at the gate; returns them."""
        return eventually(lambda: _at_least(count, self.held(gate, "running")), 60, self.summary)

    def await_ended(self, count: int | None = None, seconds: float = 90) -> None:
        """Wait until this many runs, or all, have ended or are dead letters."""
        expected = len(self.expected) if count is None else count
        eventually(lambda: self._ended() >= expected, seconds, lambda: f"{expected} expected, {self.summary()}")

    def _ended(self) -> int:
        return sum(row["ended"] for row in self._query_if_available(_ENDED_RUNS))

    def _query_if_available(self, statement: str) -> list[Any]:
        """The rows, or none while the database is unavailable."""
        try:
            return self.query(statement)
        except _UNAVAILABLE:
            return []

    def summary(self) -> str:
        """How many runs have each status, dispatch number and attempt."""
        statement = "SELECT status, dispatch, attempt, count(*) FROM runs GROUP BY 1, 2, 3 ORDER BY 4 DESC"
        rows = self._query_if_available(statement)
        return ", ".join(f"{r['count']} {r['status']} ({r['dispatch']}/{r['attempt']})" for r in rows) or "no runs"

    # --- checks -------------------------------------------------------------------------------------

    def check(self) -> None:
        """All runs ended as expected, as the api shows them; no attempt acted twice; no invariant is broken."""
        self.await_ended()
        runs = [run for run in self.listed_runs() if run["job_id"] in self.expected]
        statuses = {run["job_id"]: run["status"] for run in runs}
        assert len(runs) == len(statuses), "a job has two runs"
        others = {job_id: status for job_id, status in statuses.items() if self.expected[job_id] != status}
        assert others == {}, f"{others} of {self.summary()}"
        assert statuses.keys() == self.expected.keys()
        self.check_effects(runs)
        self.check_invariants()

    def listed_runs(self) -> Iterator[dict[str, Any]]:
        """All runs that the api lists."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.platform.get(f"/api/run?limit=200{cursor and f'&cursor={cursor}'}")
            yield from page["items"]
            cursor = page["next_cursor"]

    def check_effects(self, runs: Sequence[dict[str, Any]]) -> None:
        effects = self.effects()
        assert {key: times for key, times in effects.items() if times > 1} == {}
        started = {(row["run_id"], row["attempt"]) for row in self.events("AttemptStarted")}
        assert effects.keys() <= started, "an effect without a recorded attempt"
        succeeded = {(r["id"], r["attempt"]) for r in runs if r["task"] != "log" and r["status"] == "succeeded"}
        assert succeeded <= effects.keys(), "a success without its effect"

    def check_invariants(self) -> None:
        assert asyncio.run(_breaches(self._url)) == []


_EVENTS = """
SELECT substring(stream FROM 5) AS run_id, version, data, (data ->> 'attempt')::int AS attempt, recorded_at
FROM events WHERE type = $1 ORDER BY xid, position
"""

_HELD = """
SELECT run_id::text, runs.status, executor, attempt, failures, runs.wake_at, result
FROM runs JOIN jobs USING (job_id) WHERE jobs.definition -> 'payload' ->> 'gate' = $1
"""


def _at_least(count: int, rows: list[Any]) -> list[Any] | None:
    return rows if len(rows) >= count else None


def _post(api: httpx2.Client, body: dict[str, Any], headers: dict[str, str]) -> Any | None:
    try:
        answer = api.post("/api/job/batch", json=body, headers=headers)
    except httpx2.TransportError:
        return None
    if answer.status_code in {500, 503}:
        time.sleep(0.2)
        return None
    return answer.raise_for_status().json()


async def _breaches(url: str) -> list[Any]:
    async with connect(url, "tests") as pool:
        return list((await verify(pool)).breaches)
