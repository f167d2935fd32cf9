"""A conflict of versions: another writer appended to a stream between a decision's read and its append."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from asyncpg import UniqueViolationError

from duebook_common.domain.errors import JobKeyTaken

TRIES = 8  # decisions of one command before a conflict is raised


class Conflict(Exception):
    """Nothing was written. `jobs` are those whose decisions met another writer, if known."""

    def __init__(self, message: str = "", jobs: Iterable[UUID] = ()) -> None:
        super().__init__(message)
        self.jobs = frozenset(jobs)


@contextmanager
def unique_keys() -> Iterator[None]:
    """Raise the violation of a row's key as Conflict, and that of the keys of jobs as JobKeyTaken."""
    try:
        yield
    except UniqueViolationError as error:
        if error.constraint_name == "jobs_by_key":
            raise JobKeyTaken from None
        if error.constraint_name in {"jobs_pkey", "runs_pkey"}:
            raise Conflict("opened in another period at the same time") from None
        raise
