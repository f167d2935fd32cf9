"""`make soak MINUTES=60`: all services at a steady rate, while periods leave for archives; prints a table of slopes.

`--samples FILE` keeps what was measured, `--picture FILE` draws it, and `--of FILE` prints and draws that again.
The exit code is 1 if a slope is found, `duebook verify` finds something, or a request is lost.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.bench import Bench, machine, running
from benchmarks.soak.beside import beside_table
from benchmarks.soak.load import Load
from benchmarks.soak.periods import Periods, let_periods_leave
from benchmarks.soak.picture import picture
from benchmarks.soak.remarks import remarks
from benchmarks.soak.report import Soak, failures, table
from benchmarks.soak.samples import Sampler, Samples
from duebook_common.store.database import connect

_PERIODS = 15  # in the whole time
_KEPT = 2  # periods that stay after their end
_STEADY = 4  # periods after which the database has as many as it will have


async def measure(bench: Bench, minutes: float, rate: float, period: timedelta) -> Soak:
    """Create jobs for so many minutes, and sample what becomes of the installation."""
    began, seconds = time.monotonic(), period.total_seconds()
    async with connect(bench.stack.postgres.url, "soak", 4) as pool:
        periods = Periods(pool, period, _KEPT * period, began)
        load, sampler = Load(bench.services["api"].url, rate, began), Sampler(bench, pool, began)
        async with asyncio.TaskGroup() as tasks:
            endless = [tasks.create_task(each) for each in (periods.open_all(), periods.watch(), sampler.run())]
            tasks.create_task(load.run())
            await asyncio.sleep(minutes * 60)
            load.stop()
            for task in endless:
                task.cancel()
    steady_from = min(_STEADY * seconds, minutes * 20)
    return Soak(sampler.samples, periods.archiving, seconds, steady_from, load.created, load.lost, load.posts)


def verify(bench: Bench, *, archives: bool = True) -> bool:
    """Run `duebook verify`, and that of archives if there are any; returns whether neither found anything."""
    program = str(Path(sys.executable).with_name("duebook"))
    commands = [["verify"], *([["archive", "verify"]] if archives else [])]
    codes = []
    for words in commands:
        done = subprocess.run([program, *words], env=bench.environment, capture_output=True, text=True, check=False)
        print(f"duebook {' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr[-2000:]}", flush=True)
        codes.append(done.returncode)
    return not any(codes)


def report(soak: Soak, title: str) -> bool:
    """Print all of it; returns whether the soak succeeded."""
    console, failed = Console(width=160), failures(soak)
    for part in (table(soak, title), beside_table(soak), *remarks(soak), *(f"FAILED: {each}" for each in failed)):
        console.print(part, highlight=False)
    return not failed


def keep(soak: Soak, path: Path | None) -> None:
    if path:
        path.write_text(json.dumps(asdict(soak)), encoding="utf-8")


def load_samples(path: Path) -> Soak:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    samples = found.pop("samples")
    for name in ("late", "ended"):
        samples[name] = {int(second): value for second, value in samples[name].items()}
    return Soak(Samples(**samples), **found)


def run(chosen: argparse.Namespace) -> tuple[Soak, str]:
    """Start everything, measure, verify, stop."""
    period = timedelta(minutes=max(1, round(chosen.minutes / _PERIODS)))
    title = f"{chosen.minutes:g} minutes at {chosen.rate:g} jobs/s, periods of {period}; {machine()}"
    with running(services=False) as bench:
        let_periods_leave(bench)
        bench.start()
        soak = asyncio.run(measure(bench, chosen.minutes, chosen.rate, period))
        keep(soak, chosen.samples)  # also if what follows fails
        for name, service in bench.services.items():
            lines = service.log.read_text(encoding="utf-8").splitlines()
            print(f"log of {name}: {len(lines)} lines", *lines[-3:], sep="\n  ", flush=True)
        soak.verified = verify(bench)
        keep(soak, chosen.samples)
    return soak, title


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--samples", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--of", type=Path)
    chosen = parser.parse_args()
    soak, title = (load_samples(chosen.of), str(chosen.of)) if chosen.of else run(chosen)
    succeeded = report(soak, title)
    if chosen.picture:
        chosen.picture.write_text(picture(soak, "An hour at a steady rate while periods leave"), encoding="utf-8")
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
