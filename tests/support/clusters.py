"""A PostgreSQL server made from the data of another: a standby, or what a backup brings back."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from duebook_devstack.postgres import Postgres
from duebook_devstack.stack_dir import StackDir
from support import servers
from support.page_commands import PageCommands


class CopiedPostgres(Postgres):
    """It has the roles and passwords of its source, and a port of its own. Its data must be there before it starts."""

    def __init__(self, stack_dir: StackDir, source: Postgres) -> None:
        super().__init__(stack_dir, no_fsync=True)
        self._source = source
        self.data = self.directory / "data"

    @property
    def url(self) -> str:
        return self._here(self._source.url)

    @property
    def superuser_url(self) -> str:
        return self._here(self._source.superuser_url)

    def _here(self, url: str) -> str:
        return url.replace(f":{urlsplit(url).port}/", f":{self._port}/")


@contextmanager
def copied(source: Postgres) -> Iterator[CopiedPostgres]:
    """A server that is not started yet, killed in the end."""
    stack_dir = StackDir(servers.private_path())
    server = CopiedPostgres(stack_dir, source)
    try:
        yield server
    finally:
        server.kill()
        stack_dir.close()


def database_administrator(page: str, postgres: Postgres, **environment: object) -> PageCommands:
    """Does what a page says on the account of the servers, with the programs of their version."""
    texts = {name: str(value) for name, value in environment.items()}
    return PageCommands(page, texts, postgres.stack_dir.account, postgres.programs)


def superuser_says(postgres: Postgres, query: str, *arguments: Any) -> Any:
    """The value that the query of a superuser has there."""

    async def ask() -> Any:
        db = await asyncpg.connect(postgres.superuser_url)
        try:
            return await db.fetchval(query, *arguments)
        finally:
            await db.close()

    return asyncio.run(ask())
