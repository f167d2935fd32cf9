"""Run the benchmark suite and print one table."""

import asyncio

import asyncpg
from rich.console import Console
from rich.table import Table

from benchmarks import baselines
from benchmarks.bench import Bench, machine, running
from benchmarks.client import async_results, plans, results
from benchmarks.creation import creation
from benchmarks.instants import Instants, aligned, herd, steady
from benchmarks.punctuality import add_pending, immediate, recurring, spread
from benchmarks.recorded_runs import Lateness
from benchmarks.recovery import recovery
from benchmarks.schedulers import by_schedulers
from benchmarks.storage import growth, sizes
from benchmarks.throughput import JOBS, throughput

_PENDING = (0, 10_000, 1_000_000)


async def measure(bench: Bench, table: Table) -> None:
    db = await asyncpg.connect(bench.stack.postgres.url)
    try:
        for name, (cpu, memory) in (await bench.at_rest()).items():
            table.add_row("rest", f"CPU and memory at rest: {name}", f"{cpu:.1f} %, {memory:.0f} MiB", "")
        handler = await _baselines(bench, table)
        await _throughput(bench, db, table, handler)
        table.add_row("(b)", "lateness of 1,000 one-off jobs due within 10 s", *_cells(await spread(bench, db)))
        await _recurring(bench, db, table)
        await _instants(bench, db, table)
        await _recovery_and_creation(bench, db, table)
        await _client(bench, table)
        await _schedulers(bench, db, table)
        await _pending(bench, db, table)
    finally:
        await db.close()


async def _baselines(bench: Bench, table: Table) -> float:
    """Add the rows of the baselines; returns the messages per second of the empty handler."""
    rows = await baselines.unnest_rows(bench.stack.postgres.url)
    publishes = await baselines.confirmed_publishes(bench.stack.rabbitmq.url)
    handler = await baselines.empty_handler(bench.stack.rabbitmq.url)
    table.add_row("baseline", "rows/s by unnest, committed", f"{rows:,.0f}", "")
    table.add_row("baseline", "publishes/s, confirmed, quorum queue", f"{publishes:,.0f}", "")
    table.add_row("baseline", "messages/s through an empty FastStream handler", f"{handler:,.0f}", "")
    return handler


async def _throughput(bench: Bench, db: asyncpg.Connection, table: Table, handler: float) -> None:
    before = await sizes(db)
    rate, cpu = await throughput(bench, db)
    stored = growth(before, await sizes(db), JOBS)
    share = f"{rate / handler:.2f} of the empty handler"
    table.add_row("(a)", "jobs/s, POST to success, 10,000 jobs", f"{rate:,.0f}", share)
    for name, milliseconds in sorted(cpu.items(), key=lambda item: -item[1]):
        table.add_row("(a)", f"CPU ms per job: {name}", f"{milliseconds:.3f}", "")
    table.add_row("(a)", "CPU ms per job: total", f"{sum(cpu.values()):.3f}", "")
    tables = ", ".join(f"{name} {bytes_:,.0f}" for name, bytes_ in stored.items())
    table.add_row("(a)", "bytes on disk per job with its run", f"{sum(stored.values()):,.0f}", tables)


async def _recurring(bench: Bench, db: asyncpg.Connection, table: Table) -> None:
    before = bench.cpu()
    late, occurrences = await recurring(bench, db)
    cpu = {name: (seconds - before[name]) / occurrences.expected * 1000 for name, seconds in bench.cpu().items()}
    table.add_row("(d)", "lateness of 500 jobs every 5 s for 30 s", *_cells(late))
    shares = ", ".join(f"{name} {ms:.2f}" for name, ms in cpu.items())
    table.add_row("(d)", "CPU ms per run at 100 a second", f"{sum(cpu.values()):.2f}", shares)
    table.add_row("(d)", "missed occurrences", f"{occurrences.missed}", f"{occurrences.expected:,} expected")
    table.add_row("(d)", "additional attempts", f"{occurrences.additional_attempts}", "")


async def _instants(bench: Bench, db: asyncpg.Connection, table: Table) -> None:
    table.add_row("(e)", "first line of 2,000 one-off jobs, 100/s", *_began(await steady(bench, db)))
    table.add_row("(f)", "first line of 10,000 one-off jobs due at once", *_began(await herd(bench, db)))
    found, occurrences = await aligned(bench, db)
    table.add_row("(g)", "first line of 500 series due together every 5 s", *_began(found))
    others = f"{occurrences.additional_attempts} additional attempts, {occurrences.expected:,} expected"
    table.add_row("(g)", "missed occurrences", f"{occurrences.missed}", others)


def _began(found: Instants) -> tuple[str, str]:
    others = f"p50 {found.p50:.1f}, max {found.worst:.1f}, last end {found.last_end:.0f}, early {found.early}"
    return f"p99 {found.p99:.1f} ms", others


async def _recovery_and_creation(bench: Bench, db: asyncpg.Connection, table: Table) -> None:
    p99, others = _cells(await recovery(bench, db))
    table.add_row("(h)", "from kill -9 of an executor to the next start of each run", p99, others)
    await _creation(bench, table, "1 client", 1)
    await _creation(bench, table, "32 clients", 32)
    second = bench.add("api", 2)
    await _creation(bench, table, "32 clients of two apis", 32)
    bench.remove(second)


async def _creation(bench: Bench, table: Table, who: str, clients: int) -> None:
    rate, took = await creation(bench, clients)
    p99, others = _cells(took)
    table.add_row("(i)", f"jobs/s created one by one by {who}", f"{rate:,.0f}", f"{p99}, {others}")


async def _client(bench: Bench, table: Table) -> None:
    table.add_row("(j)", "enqueue with wait to result of a no-op", *_cells(await asyncio.to_thread(results, bench)))
    table.add_row("(j)", "the same from asyncio", *_cells(await async_results(bench)))
    for name, took in (await asyncio.to_thread(plans, bench)).items():
        table.add_row("(k)", f"apply --plan of 200 jobs: {name}", *_cells(took))


async def _schedulers(bench: Bench, db: asyncpg.Connection, table: Table) -> None:
    measured: dict[int, list[tuple[float, float]]] = {}
    async for count, rate, cpu in by_schedulers(bench, db):
        measured.setdefault(count, []).append((rate, cpu))
    for count, pairs in measured.items():
        rates, costs = zip(*pairs, strict=True)
        cpu_ms = ", ".join(f"{cpu:.3f}" for cpu in costs)
        text = ", ".join(f"{rate:,.0f}" for rate in rates)
        table.add_row("(l)", f"jobs/s with {count} scheduler(s)", text, f"CPU ms per job of them: {cpu_ms}")


async def _pending(bench: Bench, db: asyncpg.Connection, table: Table) -> None:
    without_pending: Lateness | None = None
    for pending in _PENDING:
        if pending:
            await add_pending(bench, db, pending)
        late = await immediate(bench, db, pending)
        without_pending = without_pending or late
        p99, others = _cells(late)
        ratio = f"p99 is {late.p99 / without_pending.p99:.2f} times that with 0"
        table.add_row("(c)", f"lateness of jobs due at once, {pending:,} pending", p99, f"{others}; {ratio}")


def _cells(late: Lateness) -> tuple[str, str]:
    return f"p99 {late.p99:.1f} ms", f"p50 {late.p50:.1f}, max {late.worst:.1f}"


def main() -> None:
    table = Table("", "measured", "result", "details", title=f"Duebook, {machine()}")
    try:
        with running() as bench:
            asyncio.run(measure(bench, table))
    finally:
        Console(width=140).print(table)


if __name__ == "__main__":
    main()
