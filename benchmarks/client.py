"""What a developer waits for: (j) a no-op from `enqueue` to its result, (k) `duebook apply --plan` of 200 jobs.

`python -m benchmarks.client` measures these alone.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.bench import Bench, machine, running
from benchmarks.recorded_runs import Lateness, percentiles
from benchmarks.tasks import nothing
from duebook import AsyncClient, Client

_RESULTS, _WARM = 400, 20
_JOBS, _PLANS = 200, 7
_PROGRAM = str(Path(sys.executable).with_name("duebook"))


def results(bench: Bench) -> Lateness:
    """Milliseconds from `enqueue` with `wait` to the result of a task that does nothing, one after the other."""
    with Client(bench.services["api"].url) as client:
        return _percentiles([_result(client) for _ in range(_WARM + _RESULTS)][_WARM:])


def _result(client: Client) -> float:
    started = time.perf_counter()
    nothing.enqueue(client=client, wait=10).result(timeout=10)
    return (time.perf_counter() - started) * 1000


async def async_results(bench: Bench) -> Lateness:
    """Like `results`, from asyncio."""
    took: list[float] = []
    async with AsyncClient(bench.services["api"].url) as client:
        for _ in range(_WARM + _RESULTS):
            started = time.perf_counter()
            await (await nothing.aenqueue(client=client, wait=10)).result(timeout=10)
            took.append((time.perf_counter() - started) * 1000)
    return _percentiles(took[_WARM:])


def plans(bench: Bench) -> dict[str, Lateness]:
    """Milliseconds of whole processes of `duebook apply`: plans of creations, of changes and of nothing to do."""
    with tempfile.TemporaryDirectory() as directory:
        jobs = Path(directory) / "jobs.yaml"
        jobs.write_text(_file("PT30M"))
        took = {"200 creations": _plans(bench, jobs)}
        _run(bench, "apply", "-f", str(jobs))
        took["no difference"] = _plans(bench, jobs)
        jobs.write_text(_file("PT20M"))
        return took | {"200 changes of the schedule": _plans(bench, jobs)}


def _file(every: str) -> str:
    """Jobs as people write them: most with a cron expression in a zone, the others by interval."""
    jobs = [
        {
            "key": f"job-{n}",
            "name": f"job {n}",
            "task": "bench.nothing",
            "recurrence": {"cron": f"{int(every[2:4]) + n % 30} {n % 24} * * 1-5"} if n % 4 else {"every": every},
            "timezone": "Europe/Berlin",
            "timeout": "PT10M",
            "payload": {"n": n, "text": "x" * 200},
        }
        for n in range(_JOBS)
    ]
    return "set: bench\njobs:\n" + "".join(f"  - {json.dumps(job)}\n" for job in jobs)


def _plans(bench: Bench, jobs: Path) -> Lateness:
    return _percentiles([_run(bench, "apply", "-f", str(jobs), "--plan") for _ in range(_PLANS)])


def _run(bench: Bench, *arguments: str) -> float:
    environment = bench.environment | {"DUEBOOK_URL": bench.services["api"].url}
    started = time.perf_counter()
    done = subprocess.run([_PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 2}, done.stderr
    return (time.perf_counter() - started) * 1000


def _percentiles(took: list[float]) -> Lateness:
    return percentiles(sorted(took))


async def _measure(bench: Bench) -> None:
    await bench.settle()
    _print("enqueue to result", await asyncio.to_thread(results, bench))
    _print("enqueue to result, asyncio", await async_results(bench))
    for name, took in (await asyncio.to_thread(plans, bench)).items():
        _print(f"apply --plan, {name}", took)


def _print(name: str, took: Lateness) -> None:
    figures = f"p50 {took.p50:.1f} ms, p99 {took.p99:.1f}, max {took.worst:.1f}, of {took.count}"
    print(f"{name}: {figures}; load {psutil.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    print(machine())
    with running() as made:
        asyncio.run(_measure(made))
