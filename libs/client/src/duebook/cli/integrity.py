"""`duebook verify`, `rebuild` and `migrate`. They connect to DUEBOOK_POSTGRES_URL directly, not to the API."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict
from typing import TypeVar

import asyncpg
import typer

from duebook.cli import output
from duebook.cli.failures import Failure
from duebook.cli.options import Output
from duebook.cli.output import Format
from duebook_common.runtime.settings import Settings, load
from duebook_common.store.database import Pool, connect

T = TypeVar("T")
_TIMEOUT = 3600.0  # seconds for one statement: sorting a large log takes long


def postgres_url() -> str:
    """The value of DUEBOOK_POSTGRES_URL; exits with code 2 and a line that names the variable if it is invalid."""
    return load(Settings).postgres_url.get_secret_value()


def with_database(work: Callable[[Pool], Awaitable[T]]) -> T:
    """Connect and run `work`; raises Failure if the database cannot be reached or refuses a statement."""
    url = postgres_url()

    async def connected() -> T:
        async with AsyncExitStack() as stack:
            with url_errors():
                pool = await stack.enter_async_context(connect(url, "cli", 2, _TIMEOUT))
            return await work(pool)

    with database_errors():
        return asyncio.run(connected())


@contextmanager
def url_errors() -> Iterator[None]:
    """Turn the ValueError of a URL that cannot be parsed into a Failure."""
    try:
        yield
    except ValueError as error:
        raise Failure(f"DUEBOOK_POSTGRES_URL is wrong: {error}") from error


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn errors of the database into a Failure with one line."""
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise Failure(f"the schema is not up to date ({error}); run: duebook migrate") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Failure(f"the database of DUEBOOK_POSTGRES_URL: {reason}") from error


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
