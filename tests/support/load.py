"""Load for fault tests: jobs of every temper, gates that hold some of them, and what must be true once all ended.

load = Load(platform)
launch(platform, api=1, scheduler=1, executor=2)
load.submit(mix(300), held(5, "gate"))
load.await_running(5, "gate")
...                      # the fault
load.open("gate")
load.check()             # every run ended as it had to, nothing twice, the books whole
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2

from duebook_common.integrity.verify import verify
from duebook_common.store.database import connect
from duebook_devstack.services import Service
from support import servers
from support.fleet import Platform, eventually

LEASE = "PT2S"
_BACKOFF = {"initial": "PT0.1S", "factor": 2, "max": "PT0.5S", "jitter": 0}
_MISSING = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
_ENDED = "status IN ('succeeded', 'dead_lettered', 'cancelled', 'skipped', 'discarded')"


@dataclass(frozen=True)
class Wish:
    """A job to submit, and the status that its run must end with."""

    job: dict[str, Any]
    status: str = "succeeded"


def wish(
    status: str = "succeeded", *, retries: int = 20, task: str = "effect", queue: str = "default", **work: Any
) -> Wish:
    """One job with an effect; it may fail or be lost many times."""
    job = {"name": "load", "task": task, "payload": work, "queue": queue, "max_retries": retries, "backoff": _BACKOFF}
    return Wish(job, status)


def mix(count: int) -> list[Wish]:
    """Jobs of every temper: of twenty one fails for good, one fails first, two are slow, six quick, ten only log."""
    return [_kind(n % 20) for n in range(count)]


def _kind(n: int) -> Wish:
    match n:
        case 0:
            return wish("dead_lettered", retries=1, failures=99)
        case 1:
            return wish(failures=1)
        case 2:
            return wish(seconds=0.3)
        case 3:
            return wish(task="effect.plain", seconds=0.3)
        case 4 | 5 | 6 | 7 | 8 | 9:
            return wish()
        case _:
            return Wish({"name": "load", "task": "log", "payload": {"n": n}, "max_retries": 20, "backoff": _BACKOFF})


def held(count: int, gate: str, status: str = "succeeded", retries: int = 20) -> list[Wish]:
    """Jobs whose attempts wait until the gate opens."""
    return [wish(status, retries=retries, gate=gate)] * count


def metric(service: Service, name: str) -> float:
    """The sum of a metric's samples whose name and labels begin so."""
    lines = httpx2.get(f"{service.url}/metrics", timeout=5, trust_env=False).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def launch(platform: Platform, **copies: int) -> None:
    """Start services side by side, and wait until all are ready."""
    fresh = [service for kind, count in copies.items() for service in platform._launch(kind, count, {})]
    for service in fresh:
        service.await_ready()


class Load:
    """All that one test submits to a platform, and the ways to see what became of it."""

    def __init__(self, platform: Platform, **environment: str) -> None:
        self.platform = platform
        self.home = servers.private_path()
        self.wanted: dict[str, str] = {}
        own = {"DUEBOOK_LEASE": LEASE, "DUEBOOK_TASKS": "e2e_tasks", "TESTS_EFFECTS": str(self.home)}
        platform.environment |= own | environment

    @property
    def _url(self) -> str:
        return self.platform.environment["DUEBOOK_POSTGRES_URL"]

    def submit(self, *wishes: Sequence[Wish]) -> list[str]:
        """Create the jobs in one batch, repeated under its key until the api has said yes; their ids."""
        flat = [each for some in wishes for each in some]
        body, headers = {"jobs": [each.job for each in flat]}, {"Idempotency-Key": str(uuid4())}
        with httpx2.Client(base_url=self.platform["api", 0].url, timeout=30, trust_env=False) as api:
            answer = eventually(lambda: _post(api, body, headers), 60)
        ids = [item["id"] for item in answer["items"]]
        self.wanted |= {job_id: each.status for job_id, each in zip(ids, flat, strict=True)}
        return ids

    @contextmanager
    def submitting(self, *batches: Sequence[Wish]) -> Iterator[None]:
        """Submit batch after batch while the block goes on; left once all are acknowledged."""
        with ThreadPoolExecutor(1) as pool:
            submitted: list[Future[list[str]]] = [pool.submit(self.submit, batch) for batch in batches]
            yield
        for each in submitted:
            each.result()

    def open(self, gate: str) -> None:
        (self.home / gate).touch()

    def effects(self) -> Counter[tuple[str, int]]:
        """How often each attempt of each run has acted."""
        ledger = self.home / "effects"
        lines = ledger.read_text(encoding="ascii").splitlines() if ledger.exists() else []
        return Counter((run_id, int(attempt)) for run_id, attempt in map(str.split, lines))

    # --- the books ------------------------------------------------------------------------------------------

    def ask(self, query: str, *arguments: Any) -> list[Any]:
        """Rows of the database."""
        return asyncio.run(_fetch(self._url, query, arguments))

    def events(self, type_: str) -> list[Any]:
        """The log's events of one type, oldest first: `run_id`, `version`, `data`, `attempt`, `recorded_at`."""
        return self.ask(_EVENTS, type_)

    def held(self, gate: str, status: str | None = None) -> list[Any]:
        """The runs whose attempts wait, or have waited, at the gate."""
        return [row for row in self.ask(_HELD, gate) if status in {None, row["status"]}]

    def await_running(self, count: int, gate: str) -> list[Any]:
        return eventually(lambda: _at_least(count, self.held(gate, "running")), 60, self.told)

    def await_ended(self, count: int | None = None, seconds: float = 90) -> None:
        """Until that many runs, or all, have ended or rest as dead letters."""
        wanted = len(self.wanted) if count is None else count
        eventually(lambda: self._ended() >= wanted, seconds, lambda: f"{wanted} wanted, {self.told()}")

    def _ended(self) -> int:
        return len(self._patiently(f"SELECT run_id FROM runs WHERE {_ENDED}"))

    def _patiently(self, query: str, *arguments: Any) -> list[Any]:
        try:
            return self.ask(query, *arguments)
        except _MISSING:
            return []  # the database is away

    def told(self) -> str:
        """Where the runs stand, in a few words."""
        rows = self._patiently("SELECT status, dispatch, attempt, count(*) FROM runs GROUP BY 1, 2, 3 ORDER BY 4 DESC")
        return ", ".join(f"{r['count']} {r['status']} ({r['dispatch']}/{r['attempt']})" for r in rows) or "no runs"

    # --- what must hold -------------------------------------------------------------------------------------

    def check(self) -> None:
        """All runs ended as they had to, by the api's word; no effect twice for an attempt; no invariant breached."""
        self.await_ended()
        runs = [run for run in self.listed_runs() if run["job_id"] in self.wanted]
        told = {run["job_id"]: run["status"] for run in runs}
        assert len(runs) == len(told), "a job has two runs"
        assert {job_id: status for job_id, status in told.items() if self.wanted[job_id] != status} == {}
        assert told.keys() == self.wanted.keys()
        self.check_effects(runs)
        self.check_books()

    def listed_runs(self) -> Iterator[dict[str, Any]]:
        """All runs, as the api lists them."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.platform.get(f"/api/run?limit=200{cursor and f'&cursor={cursor}'}")
            yield from page["items"]
            cursor = page["next_cursor"]

    def check_effects(self, runs: Sequence[dict[str, Any]]) -> None:
        effects = self.effects()
        assert {key: times for key, times in effects.items() if times > 1} == {}
        started = {(row["run_id"], row["attempt"]) for row in self.events("AttemptStarted")}
        assert effects.keys() <= started, "an effect without an attempt in the books"
        claimed = {(r["id"], r["attempt"]) for r in runs if r["task"] != "log" and r["status"] == "succeeded"}
        assert claimed <= effects.keys(), "a success without its effect"

    def check_books(self) -> None:
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


async def _fetch(url: str, query: str, arguments: Sequence[Any]) -> list[Any]:
    db = await asyncpg.connect(url, timeout=5)
    await db.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    try:
        return list(await db.fetch(query, *arguments, timeout=10))
    finally:
        await db.close(timeout=5)


async def _breaches(url: str) -> list[Any]:
    async with connect(url, "tests") as pool:
        return list((await verify(pool)).breaches)
