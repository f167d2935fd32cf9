"""A conflict of versions: another writer appended to a stream between a decision's read and its append."""

from collections.abc import Iterable
from uuid import UUID

TRIES = 8  # decisions of one command before a conflict is raised


class Conflict(Exception):
    """Nothing was written. `jobs` are those whose decisions met another writer, if known."""

    def __init__(self, message: str = "", jobs: Iterable[UUID] = ()) -> None:
        super().__init__(message)
        self.jobs = frozenset(jobs)
