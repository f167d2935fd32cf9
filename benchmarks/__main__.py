"""The benchmark suite; prints one table."""

import asyncio

import asyncpg
from rich.console import Console
from rich.table import Table

from benchmarks import baselines
from benchmarks.bench import Bench, machine, running
from benchmarks.books import Lateness
from benchmarks.punctuality import add_pending, immediate, recurring, spread
from benchmarks.throughput import throughput

_PENDING = (0, 10_000, 1_000_000)


async def measure(bench: Bench, table: Table) -> None:
    db = await asyncpg.connect(bench.stack.postgres.url)
    try:
        rows = await baselines.unnest_rows(bench.stack.postgres.url)
        publishes = await baselines.confirmed_publishes(bench.stack.rabbitmq.url)
        handler = await baselines.empty_handler(bench.stack.rabbitmq.url)
        table.add_row("baseline", "rows/s by unnest, committed", f"{rows:,.0f}", "")
        table.add_row("baseline", "publishes/s, confirmed, quorum queue", f"{publishes:,.0f}", "")
        table.add_row("baseline", "messages/s through an empty FastStream handler", f"{handler:,.0f}", "")
        rate, cpu = await throughput(bench, db)
        table.add_row(
            "(a)", "jobs/s, POST to success, 10,000 jobs", f"{rate:,.0f}", f"{rate / handler:.2f} of the empty handler"
        )
        for name, milliseconds in sorted(cpu.items(), key=lambda item: -item[1]):
            table.add_row("(a)", f"CPU ms for each job: {name}", f"{milliseconds:.3f}", "")
        table.add_row("(a)", "CPU ms for each job: all", f"{sum(cpu.values()):.3f}", "")
        table.add_row("(b)", "lateness of 1,000 one-offs within 10 s", *_told(await spread(bench, db)))
        late, books = await recurring(bench, db)
        table.add_row("(d)", "lateness of 500 jobs every 5 s for 30 s", *_told(late))
        table.add_row("(d)", "missed of the occurrences", f"{books.missed}", f"{books.expected:,} expected")
        table.add_row("(d)", "attempts beyond one for each", f"{books.doubled}", "")
        first: Lateness | None = None
        for pending in _PENDING:
            if pending:
                await add_pending(bench, db, pending)
            late = await immediate(bench, db, pending)
            first = first or late
            value, rest = _told(late)
            table.add_row(
                "(c)",
                f"lateness at once, {pending:,} pending",
                value,
                f"{rest}; p99 {late.p99 / first.p99:.2f} of that at 0",
            )
    finally:
        await db.close()


def _told(late: Lateness) -> tuple[str, str]:
    return f"p99 {late.p99:.1f} ms", f"p50 {late.p50:.1f}, max {late.worst:.1f}"


def main() -> None:
    table = Table("", "measured", "figure", "beside", title=f"Duebook, {machine()}")
    try:
        with running() as bench:
            asyncio.run(measure(bench, table))
    finally:
        Console(width=140).print(table)


if __name__ == "__main__":
    main()
