"""The connection of the commands that work on the database and not through the API."""

import getpass
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from duebook.cli import output
from duebook.cli.failures import Failure
from duebook.client.environment import environment

if TYPE_CHECKING:
    from duebook_common.store.actor import Actor
    from duebook_common.store.database import Pool

T = TypeVar("T")
_TIMEOUT = 3600.0  # seconds for one statement: sorting a large log takes long


def postgres_url() -> str:
    """The value of DUEBOOK_POSTGRES_URL; exits with code 2 and a line that names the variable if it is invalid."""
    from duebook_common.runtime.settings import Settings, load

    return load(Settings, environment()).postgres_url.get_secret_value()


def with_database(work: "Callable[[Pool], Awaitable[T]]") -> T:
    """Connect and run `work`; raises Failure if the database cannot be reached or refuses a statement."""
    import asyncio

    from duebook_common.store.database import connect

    url = postgres_url()

    async def connected() -> T:
        async with AsyncExitStack() as stack:
            with url_errors():
                pool = await stack.enter_async_context(connect(url, "cli", 2, _TIMEOUT))
            return await work(pool)

    with storage_errors():
        return asyncio.run(connected())


@contextmanager
def url_errors() -> Iterator[None]:
    """Turn the ValueError of a URL that cannot be parsed into a Failure."""
    try:
        yield
    except ValueError as error:
        raise Failure(f"DUEBOOK_POSTGRES_URL is invalid: {error}") from error


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn an error of the database or of the place for archives into a Failure that names the setting in one line."""
    import asyncpg

    from duebook_common.archives.errors import TargetUnavailable

    try:
        yield
    except TargetUnavailable as error:
        raise Failure(f"DUEBOOK_ARCHIVE_URL: {one_line(error)}") from error
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise Failure(f"the schema is not up to date ({error}); run: duebook migrate") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise Failure(f"the database of DUEBOOK_POSTGRES_URL: {one_line(error)}") from error


def say_archives_are_busy() -> None:
    """Say what a command waits for that needs the archives for itself."""
    output.print_message("waiting for another process that archives, restores or rebuilds; Ctrl-C changes nothing")


def one_line(error: Exception) -> str:
    """What the error says, or its type if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def utc_text(time: datetime) -> str:
    """A time (UTC) of a row, as the API writes it but without a fraction."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def operator() -> "Actor":
    """Who works on the database itself, as the machine knows the person."""
    from duebook_common.store.actor import Actor

    with suppress(OSError, KeyError):
        return Actor(f"operator {getpass.getuser()}@{socket.gethostname()}")
    return Actor(f"operator {socket.gethostname()}")
