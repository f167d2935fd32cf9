"""`duebook verify`, `rebuild` and `migrate`."""

from dataclasses import asdict

import typer

from duebook.cli import output
from duebook.cli.database import database_errors, postgres_url, url_errors, with_database
from duebook.cli.failures import Failure
from duebook.cli.options import Output
from duebook.cli.output import Format


def verify(fmt: Output = Format.TABLE) -> None:
    """Check the invariants over the whole log. Exits with 1 if one is broken."""
    from duebook_common.integrity import verify as library  # noqa: PLC0415 - no other command needs it

    report = with_database(library.verify)
    breaches = [asdict(breach) for breach in report.breaches]
    if fmt is Format.JSON:
        output.print_json({"jobs": report.jobs, "events": report.events, "breaches": breaches})
    elif breaches:
        output.print_list(breaches, ("invariant", "stream", "says"), fmt)
    output.print_message(f"checked {report.jobs} jobs and {report.events} events: {len(breaches) or 'no'} breaches")
    raise typer.Exit(1 if breaches else 0)


def rebuild(fmt: Output = Format.TABLE) -> None:
    """Rebuild the read models from the log. Services may run meanwhile."""
    from duebook_common.integrity import rebuild as library  # noqa: PLC0415 - no other command needs it

    output.print_item(asdict(with_database(library.rebuild)), fmt)


def migrate() -> None:
    """Bring the schema of DUEBOOK_POSTGRES_URL up to date."""
    from alembic.util import CommandError  # noqa: PLC0415 - no other command needs it
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    from duebook_common.integrity import migrate as library  # noqa: PLC0415

    url = postgres_url()
    try:
        with database_errors(), url_errors():
            library.migrate(url)
    except DBAPIError as error:
        reason = str(error.orig).rpartition(": ")[2]
        raise Failure(f"the database of DUEBOOK_POSTGRES_URL: {reason}; nothing was changed") from error
    except CommandError as error:
        raise Failure(f"the schema cannot be brought up to date: {error}") from error
    output.print_message("the schema is up to date")
