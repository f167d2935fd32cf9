"""`duebook archive`. It works on the database and on the archives themselves, without the API."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from duebook.cli import output
from duebook.cli.database import one_line, operator, say_archives_are_busy, storage_errors, utc_text, with_database
from duebook.cli.failures import Failure, NotFound
from duebook.cli.options import Output, parse_option
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook.client.environment import environment
from duebook_common.domain.retention import MAX_RETENTION

if TYPE_CHECKING:
    from duebook_common.archives.chain import RecordedManifest
    from duebook_common.archives.targets import Target
    from duebook_common.domain.archive import Archive
    from duebook_common.store.database import Pool

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Archive old runs, and check and read archives.")

_COLUMNS = ("number", "period", "events", "bytes", "archived_at", "address", "link", "digest")


class _Archived(NamedTuple):
    """The new archives, those that were written anew or swept, and what went wrong.

    `late` is how long a period, and `overdue` how long an erasure has waited for another process; in seconds.
    """

    archived: Sequence[Any]
    changed: Sequence[Any]
    faults: Sequence[str]
    late: float
    overdue: float

    @property
    def unfinished(self) -> str | None:
        """Why the next run has work to do; None if all is done."""
        if self.faults:
            return "; ".join(self.faults)
        if self.late:
            return "a period is old enough, and another process works on archives: try again"
        if self.overdue:
            return "an archive has contents that were erased, and another process works on archives: try again"
        return None


Period = Annotated[str, typer.Argument(help="The period, as `duebook archive list` names it, like 2026-10.")]


@app.command("run")
def run(
    older_than: Annotated[
        str | None, typer.Option(help="How long ago a period must have ended, e.g. 90d. Default: DUEBOOK_RETENTION.")
    ] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Archive every period that is older than the retention, and let erasures reach the archives.

    Schedulers do both by themselves. Services may run.
    """
    settings, target = _settings(), _target()
    retention = settings.retention if older_than is None else parse_option("--older-than", _age, older_than)
    done = with_database(partial(_archive, target, retention))
    unfinished = done.unfinished
    if retention is None and not (unfinished or done.archived or done.changed):
        raise Failure("everything is kept for ever: set DUEBOOK_RETENTION, or give --older-than")
    _print_archived(done, fmt)
    if unfinished:
        raise Failure(unfinished)


def _print_archived(done: _Archived, fmt: Format) -> None:
    rewritten, deleted = sum(each.rewritten for each in done.changed), sum(each.deleted for each in done.changed)
    if fmt is Format.JSON:
        view = [{"period": each.period, "events": each.events, "bytes": each.bytes} for each in done.archived]
        output.print_json(view)
    output.print_message(f"periods archived: {len(done.archived)}, archives without what was erased: {rewritten}")
    if deleted:
        output.print_message(f"old files deleted: {deleted}")


async def _archive(target: "Target", retention: timedelta | None, pool: "Pool") -> _Archived:
    """Archive all that is due, and then let erasures reach the archives, also where archiving has failed."""
    from duebook_common.archives.archiver import Archiver
    from duebook_common.archives.rewriter import Rewriter
    from duebook_common.store.archive_handling import erasure_overdue

    archiver = Archiver(pool, target, operator())
    archived, changed, faults = list[Any](), list[Any](), list[str]()
    with _noted(faults):
        while (archive := await archiver.archive_due(retention)) is not None:
            output.print_message(f"archived {archive.period}: {archive.events} events, {archive.bytes} bytes")
            archived.append(archive)
    late = await archiver.overdue(retention)  # now, before other periods become old enough
    with _noted(faults):
        await Rewriter(pool, target, operator()).rewrite_due(changed.append)
    return _Archived(archived, changed, faults, late, await _with_connection(pool, erasure_overdue))


@contextmanager
def _noted(faults: list[str]) -> Iterator[None]:
    """Add what keeps a period in the database, or contents in an archive, to `faults`."""
    from asyncpg import LockNotAvailableError

    from duebook_common.archives.archiver import NotArchived
    from duebook_common.store.conflict import Conflict

    try:
        yield
    except NotArchived as error:
        faults.append(str(error))
    except Conflict:
        faults.append("another process has worked on archives meanwhile: try again")
    except LockNotAvailableError:
        faults.append("a transaction or a vacuum holds a lock on the log: try again; pg_stat_activity shows it")


@app.command("list")
def list_archives(fmt: Output = Format.TABLE) -> None:
    """List the archives. The digest of that with the highest link, kept elsewhere, proves that none was changed since.

    An erasure gives an archive a new link and digest.
    """
    from duebook_common.store.archive_handling import archives

    rows = with_database(lambda pool: _with_connection(pool, archives))
    output.print_list([_view(row) for row in rows], _COLUMNS, fmt)


def _view(archive: "Archive") -> dict[str, Any]:
    view = {name: getattr(archive, name) for name in _COLUMNS}
    return view | {"archived_at": utc_text(archive.archived_at)}


@app.command("verify")
def verify(fmt: Output = Format.TABLE) -> None:
    """Read every archive as a whole, and check it by the hashes that the log has. Exits with 1 if one was changed.

    Says how many archives still have contents that were erased: the next `duebook archive run` removes them.
    """
    from duebook_common.archives.chain import in_force
    from duebook_common.archives.check import check_archives
    from duebook_common.store.archive_handling import pending_archives

    target = _target()

    async def work(pool: "Pool") -> tuple[int, list[Any], int]:
        recorded, pending = await _recorded(pool), await _with_connection(pool, pending_archives)
        faults = [fault async for fault in check_archives(target, recorded, pool, lambda: _recorded(pool))]
        return len(in_force(recorded)), faults, sum(each.since is not None for each in pending)

    count, faults, waiting = with_database(work)
    found = [{"period": fault.period, "says": fault.says} for fault in faults]
    if fmt is Format.JSON:
        output.print_json({"archives": count, "faults": found})
    elif found:
        output.print_list(found, ("period", "says"), fmt)
    output.print_message(f"checked {count} archives: {len(found) or 'no'} faults")
    if waiting:
        output.print_message(f"{waiting} archives have contents that were erased: `duebook archive run` removes them")
    raise typer.Exit(1 if found else 0)


@app.command("restore")
def restore(period: Period, fmt: Output = Format.TABLE) -> None:
    """Load an archive into tables of its own, beside the log, for reading: the schema `archive_PERIOD`.

    Replaces what an earlier restore of this archive has loaded, and drops views on that. Waits until no other process
    works on archives; none does meanwhile.
    """
    from asyncpg import LockNotAvailableError

    from duebook_common.archives import restore as library
    from duebook_common.archives.chain import ArchiveFault
    from duebook_common.archives.check import check_archive, read_manifest
    from duebook_common.archives.errors import ArchiveChanged
    from duebook_common.store.departure import periods_stay

    target = _target()

    async def work(pool: "Pool") -> int:
        async with periods_stay(pool, waiting=say_archives_are_busy):
            return await load(pool)

    async def load(pool: "Pool") -> int:
        recorded = [each for each in await _recorded(pool) if each.period == period]
        if not recorded:
            raise NotFound(f"there is no archive {period}; `duebook archive list` names them")
        async for fault in check_archive(target, recorded, pool):
            raise Failure(f"the archive {period} is damaged, and nothing was loaded: {fault.says}")
        manifest = await read_manifest(target, recorded[-1])
        assert not isinstance(manifest, ArchiveFault)
        try:
            return await library.restore(pool, target, manifest)
        except LockNotAvailableError as error:
            raise Failure(f"another session uses the schema {schema}: end its transaction, and try again") from error
        except ArchiveChanged as error:
            reason = f"{one_line(error)}; try again"
            raise Failure(
                f"the archive {period} changed while it was read, and nothing was loaded: {reason}"
            ) from error

    schema = library.schema_of(period)
    rows = with_database(work)
    output.print_item({"period": period, "schema": schema, "rows": rows}, fmt)
    output.print_message(f"drop it with: DROP SCHEMA {schema} CASCADE")


def _age(text: str) -> timedelta:
    """Parse a duration by which a period may be older than now; raises ValueError."""
    age = duration(text)
    if age > MAX_RETENTION:
        raise ValueError(f"{text!r} is too long; write at most {MAX_RETENTION.days}d")
    return age


def _settings() -> Any:
    from duebook_common.archives.settings import ArchiveSettings
    from duebook_common.runtime.settings import load

    return load(ArchiveSettings, environment())


def _target() -> "Target":
    from duebook_common.archives.targets import open_target

    url = _settings().archive_url
    if url is None:
        raise Failure("DUEBOOK_ARCHIVE_URL is missing; set it to the folder or bucket of the archives")
    with storage_errors():
        return open_target(url)


async def _recorded(pool: "Pool") -> list["RecordedManifest"]:
    from duebook_common.archives.chain import recorded_manifests
    from duebook_common.store.archive_handling import chain

    return recorded_manifests(await _with_connection(pool, chain))


async def _with_connection(pool: "Pool", read: Any) -> Any:
    from duebook_common.store.database import acquire

    async with acquire(pool) as db:
        return await read(db)
