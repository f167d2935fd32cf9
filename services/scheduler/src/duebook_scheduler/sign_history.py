"""When an executor counts as ended, by what was seen of its signs of life. Pure: `EndedExecutors` looks."""

from collections.abc import Mapping
from datetime import datetime, timedelta

# A connection that is only lost is open again by then.
GRACE = timedelta(milliseconds=500)


class SignHistory:
    """What one session with PostgreSQL has seen of the signs: an end is a sign that it saw given, and given no more.

    A server that restarts or fails over ends this session too. So the next one, to which all signs may be missing,
    takes no executor for ended before it has seen its sign.
    """

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._missing_since: dict[str, datetime] = {}

    @property
    def watched(self) -> frozenset[str]:
        return frozenset(self._given)

    def see(self, free: Mapping[str, bool], now: datetime) -> frozenset[str]:
        """Take note of one look at all signs, `now` in UTC; returns the executors that give theirs."""
        self._given &= free.keys()
        given = frozenset(executor for executor, is_free in free.items() if not is_free)
        self._missing_since = {executor: self._missing_since.get(executor, now) for executor in self._given - given}
        return given

    def trust(self, executor: str) -> None:
        """The sign is given, and the broker knows the executor too: from now on its end will be noticed."""
        self._given.add(executor)

    def forget(self, executor: str) -> None:
        self._given.discard(executor)
        self._missing_since.pop(executor, None)

    def missing(self, now: datetime) -> Mapping[str, datetime]:
        """The executors whose sign has been missing for the grace time, and since when."""
        return {executor: since for executor, since in self._missing_since.items() if now - since >= GRACE}
