"""`duebook verify`, `rebuild` and `migrate`: they work on DUEBOOK_POSTGRES_URL itself."""

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
_LONGEST = 3600.0  # seconds: sorting a large log takes its time


def postgres_url() -> str:
    """The URL in the environment; ends with exit code 2 and a line that names it where it is missing or wrong."""
    return load(Settings).postgres_url.get_secret_value()


def on_books(work: Callable[[Pool], Awaitable[T]]) -> T:
    """Do it on the database; raises Failure where that is out of reach or refuses."""
    url = postgres_url()

    async def connected() -> T:
        async with AsyncExitStack() as stack:
            with readable_url():
                pool = await stack.enter_async_context(connect(url, "cli", 2, _LONGEST))
            return await work(pool)

    with database_failures():
        return asyncio.run(connected())


@contextmanager
def readable_url() -> Iterator[None]:
    """A URL that asyncpg cannot take apart is a Failure too."""
    try:
        yield
    except ValueError as error:
        raise Failure(f"DUEBOOK_POSTGRES_URL is wrong: {error}") from error


@contextmanager
def database_failures() -> Iterator[None]:
    """What the database says, as one line that says what to do."""
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise Failure(f"the schema is not up to date ({error}); run: duebook migrate") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise Failure(f"the database of DUEBOOK_POSTGRES_URL: {said}") from error


def verify(form: Output = Format.TABLE) -> None:
    """Check the invariants over the whole log; exits 1 on a breach."""
    from duebook_common.integrity import verify as library  # noqa: PLC0415 - no other command needs it

    found = on_books(library.verify)
    breaches = [asdict(breach) for breach in found.breaches]
    if form is Format.JSON:
        output.show_json({"jobs": found.jobs, "events": found.events, "breaches": breaches})
    elif breaches:
        output.show_list(breaches, ("invariant", "stream", "says"), form)
    output.say(f"checked {found.jobs} jobs and {found.events} events: {len(breaches) or 'no'} breaches")
    raise typer.Exit(1 if breaches else 0)


def rebuild(form: Output = Format.TABLE) -> None:
    """Make the read models from the log again, beside running services."""
    from duebook_common.integrity import rebuild as library  # noqa: PLC0415 - no other command needs it

    output.show_item(asdict(on_books(library.rebuild)), form)


def migrate() -> None:
    """Apply the schema to DUEBOOK_POSTGRES_URL."""
    from alembic.util import CommandError  # noqa: PLC0415 - no other command needs it
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    from duebook_common.integrity import migrate as library  # noqa: PLC0415

    url = postgres_url()
    try:
        with database_failures(), readable_url():
            library.migrate(url)
    except DBAPIError as error:
        said = str(error.orig).rpartition(": ")[2]
        raise Failure(f"the database of DUEBOOK_POSTGRES_URL: {said}; nothing was changed") from error
    except CommandError as error:
        raise Failure(f"the schema cannot be brought up to date: {error}") from error
    output.say("the schema is up to date")
