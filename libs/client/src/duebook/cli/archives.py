"""`duebook archive`. It works on the database and on the archives themselves, without the API."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.database import operator, with_database
from duebook.cli.failures import Failure, NotFound
from duebook.cli.options import Output, parse_option
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook.client.environment import environment

if TYPE_CHECKING:
    from duebook_common.archives.chain import RecordedArchive
    from duebook_common.archives.targets import Target
    from duebook_common.store.database import Pool

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Archive old runs, and check and read archives.")

_COLUMNS = ("number", "period", "events", "bytes", "archived_at", "address", "digest")
Period = Annotated[str, typer.Argument(help="The period, as `duebook archive list` names it, like 2026-10.")]


@app.command("run")
def run(
    older_than: Annotated[
        str | None, typer.Option(help="How long ago a period must have ended, e.g. 90d. Default: DUEBOOK_RETENTION.")
    ] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Archive every period that is older than the retention, as schedulers do by themselves. Services may run."""
    from duebook_common.archives.archiver import Archiver, NotArchived

    settings, target = _settings(), _target()
    retention = settings.retention if older_than is None else parse_option("--older-than", duration, older_than)
    if retention is None:
        raise Failure("everything is kept for ever: set DUEBOOK_RETENTION, or give --older-than")

    async def work(pool: "Pool") -> list[Any]:
        archiver, done = Archiver(pool, target, operator(), pace=0), []
        while (archived := await archiver.archive_due(retention)) is not None:
            output.print_message(f"archived {archived.period}: {archived.events} events, {archived.bytes} bytes")
            done.append(archived)
        return done

    try:
        done = with_database(work)
    except NotArchived as error:
        raise Failure(str(error)) from error
    if fmt is Format.JSON:
        output.print_json([{"period": each.period, "events": each.events, "bytes": each.bytes} for each in done])
    output.print_message(f"periods archived: {len(done)}")


@app.command("list")
def list_archives(fmt: Output = Format.TABLE) -> None:
    """List the archives. The line of the last one, kept elsewhere, proves that none was changed since."""
    from duebook_common.store.archive_handling import archives

    rows = with_database(lambda pool: _with_connection(pool, archives))
    output.print_list([{name: row[name] for name in _COLUMNS} for row in rows], _COLUMNS, fmt)


@app.command("verify")
def verify(fmt: Output = Format.TABLE) -> None:
    """Read every archive as a whole, and check it by the hashes that the log has. Exits with 1 if one was changed."""
    from duebook_common.archives.check import check_archives

    target = _target()

    async def work(pool: "Pool") -> tuple[int, list[Any]]:
        recorded = await _recorded(pool)
        return len(recorded), [fault async for fault in check_archives(target, recorded)]

    count, faults = with_database(work)
    found = [{"period": fault.period, "says": fault.says} for fault in faults]
    if fmt is Format.JSON:
        output.print_json({"archives": count, "faults": found})
    elif found:
        output.print_list(found, ("period", "says"), fmt)
    output.print_message(f"checked {count} archives: {len(found) or 'no'} faults")
    raise typer.Exit(1 if found else 0)


@app.command("restore")
def restore(period: Period, fmt: Output = Format.TABLE) -> None:
    """Load an archive into tables of its own, beside the log, for reading: the schema `archive_PERIOD`."""
    from duebook_common.archives import restore as library
    from duebook_common.archives.chain import ArchiveFault, check_manifest
    from duebook_common.archives.check import check_archive
    from duebook_common.archives.manifest import manifest_name
    from duebook_common.archives.targets import read_whole

    target = _target()

    async def work(pool: "Pool") -> int:
        archive = next((each for each in await _recorded(pool) if each.period == period), None)
        if archive is None:
            raise NotFound(f"there is no archive {period}; `duebook archive list` names them")
        async for fault in check_archive(target, archive):
            raise Failure(f"the archive {period} is damaged, and nothing was loaded: {fault.says}")
        manifest = check_manifest(archive, await read_whole(target, manifest_name(period)))
        assert not isinstance(manifest, ArchiveFault)
        return await library.restore(pool, target, manifest)

    rows, schema = with_database(work), library.schema_of(period)
    output.print_item({"period": period, "schema": schema, "rows": rows}, fmt)
    output.print_message(f"drop it with: DROP SCHEMA {schema} CASCADE")


def _settings() -> Any:
    from duebook_common.archives.settings import ArchiveSettings
    from duebook_common.runtime.settings import load

    return load(ArchiveSettings, environment())


def _target() -> "Target":
    from duebook_common.archives.targets import open_target

    url = _settings().archive_url
    if url is None:
        raise Failure("DUEBOOK_ARCHIVE_URL is missing; set it to the folder or bucket of the archives")
    return open_target(url)


async def _recorded(pool: "Pool") -> list["RecordedArchive"]:
    from duebook_common.archives.chain import RecordedArchive
    from duebook_common.store.archive_handling import archives

    rows = await _with_connection(pool, archives)
    return [RecordedArchive(row["number"], row["period"], row["digest"], row["previous"]) for row in rows]


async def _with_connection(pool: "Pool", read: Any) -> Any:
    from duebook_common.store.database import acquire

    async with acquire(pool) as db:
        return await read(db)
