"""`duebook verify`, `day-lines`, `rebuild`, `rebase-log` and `migrate`."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from duebook.cli import output
from duebook.cli.database import (
    one_line,
    postgres_url,
    say_archives_are_busy,
    storage_errors,
    url_errors,
    with_database,
)
from duebook.cli.failures import Failure
from duebook.cli.options import Output, parse_option
from duebook.cli.output import Format
from duebook.cli.parsing import duration

if TYPE_CHECKING:
    from duebook_common.domain.day_hash import DayLine
    from duebook_common.integrity.verify import VerifyReport
    from duebook_common.integrity.workers import Workers
    from duebook_common.store.database import Pool

Line = Annotated[
    str | None, typer.Option(help="The line of a day that was kept elsewhere, as `duebook day-lines` prints it.")
]


Recent = Annotated[
    bool, typer.Option("--recent", help="Only check what came since the last verification that found nothing.")
]


Jobs = Annotated[
    int | None,
    typer.Option("--jobs", min=1, help="How many processes share the work on a large log. Default: the processors."),
]


def verify(recent: Recent = False, line: Line = None, jobs: Jobs = None, fmt: Output = Format.TABLE) -> None:
    """Check the invariants over the whole log. Exits with 1 if one is broken. Says every few seconds how far it is.

    With --recent it begins at the checkpoint of the last verification that found nothing, if there was one: it checks
    the jobs with events since then, and that the lines of all days form the chain that signs the checkpoint.
    """
    from duebook_common.domain.day_hash import parse_line

    kept = parse_option("--line", parse_line, line)
    if recent and kept is not None:
        raise typer.BadParameter("--line needs the whole log; leave --recent out", param_hint="--recent")
    with process_errors():
        report = with_database(partial(_verified, recent, kept, jobs))
    breaches = [asdict(breach) for breach in report.breaches]
    if fmt is Format.JSON:
        counts = {"jobs": report.jobs, "events": report.events, "full": report.since is None}
        output.print_json(counts | {"breaches": breaches})
    elif breaches:
        output.print_list(breaches, ("invariant", "stream", "says"), fmt)
    for remark in _remarks(report):
        output.print_message(remark)
    raise typer.Exit(1 if breaches else 0)


def _remarks(report: "VerifyReport") -> Iterator[str]:
    """What was checked, what was not, and what to do."""
    since = "" if report.since is None else " since the last verification"
    found = len(report.breaches) or "no"
    yield f"checked {report.jobs} jobs and {report.events} events{since}: {found} breaches"
    if report.since is not None:
        yield "what was verified before was not checked again; without --recent it is"
    yield from _remedies({breach.invariant for breach in report.breaches})
    if not report.breaches and report.line is not None:
        yield f"signed by the line to keep elsewhere: {report.line}"


async def _verified(recent: bool, kept: "DayLine | None", jobs: int | None, pool: "Pool") -> "VerifyReport":
    from duebook_common.integrity.verified import remember
    from duebook_common.integrity.verify import verify as verify_all
    from duebook_common.integrity.verify import verify_recent
    from duebook_common.store.database import UNAVAILABLE

    seldom, workers = Seldom(), _workers(jobs)

    def progress(jobs: int, events: int) -> None:
        seldom.print(f"{jobs:,} jobs and {events:,} events so far")

    report = await verify_recent(pool, progress=progress, workers=workers) if recent else None
    if report is None:
        report = await verify_all(pool, kept=kept, progress=progress, workers=workers)
    if not report.breaches and report.end is not None:
        with suppress(*UNAVAILABLE):  # a standby can be verified too
            await remember(pool, report.end, report.line)
    return report


def _workers(jobs: int | None) -> "Workers":
    from duebook_common.integrity.workers import Workers

    return Workers(postgres_url(), jobs or len(os.sched_getaffinity(0)))


@contextmanager
def process_errors() -> Iterator[None]:
    """Turn the end of a process that shares the work into a Failure."""
    from concurrent.futures.process import BrokenProcessPool

    try:
        yield
    except BrokenProcessPool as error:
        raise Failure("a process that shared the work was ended, perhaps for lack of memory; try --jobs 1") from error


class Seldom:
    """Prints messages at most every few seconds."""

    def __init__(self, seconds: float = 5) -> None:
        self._seconds, self._next = seconds, time.monotonic() + seconds

    def print(self, message: str) -> None:
        if time.monotonic() >= self._next:
            output.print_message(message)
            self._next = time.monotonic() + self._seconds


def day_lines(
    limit: Annotated[int, typer.Option(min=1, help="The maximum number of lines: the newest.")] = 30,
    fmt: Output = Format.TABLE,
) -> None:
    """Print the line of each day that is over: to keep elsewhere, as proof of what the log was. Oldest first."""
    from duebook_common.integrity.verify_days import written_lines

    lines = with_database(written_lines)[-limit:]
    if fmt is Format.JSON:
        output.print_json([{"day": str(line.day), "events": line.events, "hash": line.hash} for line in lines])
    else:
        for line in lines:
            typer.echo(str(line))


def _remedies(invariants: set[int]) -> Iterator[str]:
    """What to do about breaches of these invariants."""
    if 5 in invariants:
        yield "invariant 5: read models differ; `duebook rebuild` makes them from the log again, while services run"
    if 6 in invariants:
        yield "invariant 6: stop the services, run `duebook rebase-log`, and start them again"
    if invariants - {5, 6}:
        yield "the log itself breaks an invariant: keep a dump, and do not edit it"
    if invariants:
        yield "the invariants stand in ARCHITECTURE.md, what to do in docs/how-to/back-up-and-restore.md"


def rebuild(jobs: Jobs = None, fmt: Output = Format.TABLE) -> None:
    """Rebuild the read models from the log. Services may run meanwhile.

    Waits until no other process works on archives; none does meanwhile.
    """
    from duebook_common.integrity import rebuild as library

    seldom = Seldom()

    def progress(summary: library.RebuildSummary) -> None:
        seldom.print(f"{summary.streams:,} streams so far, {summary.replaced:,} rows replaced")

    with process_errors():
        summary = with_database(
            partial(library.rebuild, progress=progress, workers=_workers(jobs), waiting=say_archives_are_busy)
        )
    output.print_item(asdict(summary), fmt)


def rebase_log(fmt: Output = Format.TABLE) -> None:
    """After a restore into another PostgreSQL cluster: let the log go on there. Harmless if it was not needed.

    Stop the services before.
    """
    from duebook_common.integrity import rebase_log as library

    summary = with_database(library.rebase_log)
    output.print_item(asdict(summary), fmt)
    if summary == library.RebaseSummary():
        output.print_message("the log belongs to this cluster: nothing had to be done")


def migrate(
    wait: Annotated[str, typer.Option(help="How long to wait for a PostgreSQL that does not answer yet.")] = "60s",
    fmt: Output = Format.TABLE,
) -> None:
    """Bring the schema of DUEBOOK_POSTGRES_URL up to date."""
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError

    from duebook_common.integrity import migrate as library

    url, limit = postgres_url(), parse_option("--wait", duration, wait) or timedelta(0)

    def waiting(error: Exception) -> None:
        output.print_message(f"PostgreSQL does not answer ({one_line(error)}); waiting for up to {wait}")

    try:
        with storage_errors(), url_errors():
            library.migrate(url, limit, waiting)
    except DBAPIError as error:
        reason = str(error.orig).rpartition(": ")[2]
        raise Failure(f"the database of DUEBOOK_POSTGRES_URL: {reason}; nothing was changed") from error
    except CommandError as error:
        raise Failure(f"the schema cannot be brought up to date: {error}") from error
    if fmt is Format.JSON:
        output.print_json({"schema": "up to date"})
    output.print_message("the schema is up to date")
