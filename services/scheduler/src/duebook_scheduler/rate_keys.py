"""The lines of the rates that one admission decides about: read them, and set when their runs are looked at next.

Only the first runs of a line have a time; each decision about the key sets it for those that moved up. The runs behind
them look again after minutes, so that a long line keeps no other run waiting.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from duebook_common.domain.job.rates import LEAD, RateLines
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection, Pool, acquire
from duebook_common.store.rate_lines import POSITIONS, load_line, load_starts
from duebook_common.store.rate_starts import prune_starts
from duebook_common.store.rate_wakeups import park_line, wake_lines
from duebook_common.store.waiting_runs import WaitingRunRow
from duebook_common.store.wakeups import postpone_waiting
from duebook_scheduler.served_tasks import ServedTasks

_CLOSE = timedelta(milliseconds=10)  # a time that is not worth a write
_PARKED_AT_ONCE = 5_000  # runs
_PRUNED_AT_ONCE = 10_000  # starts


class StartPruner:
    """Deletes the starts that no rate counts any more. Any number of schedulers may do so."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def step(self) -> int:
        """Delete one batch; returns its size if more may follow, else 0."""
        async with acquire(self._pool) as db:
            deleted = await prune_starts(db, _PRUNED_AT_ONCE)
        return deleted if deleted == _PRUNED_AT_ONCE else 0


class RateKeys:
    """The keys, which the caller has locked, in the transaction of its decision."""

    def __init__(self, db: Connection, keys: Sequence[str], now: datetime) -> None:
        self._db, self._keys, self._now = db, keys, now
        self._line: list[WaitingRunRow] = []
        self._due = Counter[str]()
        self.rates = RateLines({}, [], now)

    async def read(self, served: ServedTasks, due: Sequence[Run]) -> None:
        """Read the lines, so that `rates` knows the positions of their first runs and of the `due` ones."""
        self._line = await load_line(self._db, self._keys, partial(served.among, self._db, now=self._now), self._now)
        self._due = _by_key(due)
        starts = await load_starts(self._db, self._keys, [*self._line, *due], self._now)
        self.rates = RateLines(starts, self._line, self._now)

    async def move_up(self, decided: AbstractSet[UUID]) -> None:
        """Set the times of the first runs of each line, but for those that were decided now."""
        moved = [
            (run, until) for run in self._line if run.id not in decided and (until := self._next_look(run)) is not None
        ]
        await postpone_waiting(self._db, moved)

    def _next_look(self, run: WaitingRunRow) -> datetime | None:
        """When to look at the run, if that is not its time already."""
        at = self.rates.time_of(run)
        if at is None:
            return None
        look = max(at - LEAD, self._now)
        return look if look + _CLOSE < run.wake_at else None

    async def go_on(self, changed: AbstractSet[UUID], left: Collection[UUID]) -> None:
        """Look later at the due runs behind the first ones of a long line; or soon, if no first one is left.

        Only a run that was read as one of the first leads to a next look at the line.
        """
        lengths = _by_key(self._line)
        rest = [run for run in self._line if run.id not in changed]
        first, keys_of_rest = [*(run.id for run in rest), *left], _by_key(rest).keys()
        long = {key for key, length in lengths.items() if length >= POSITIONS}
        await wake_lines(self._db, long - keys_of_rest)
        for key in long & keys_of_rest:
            if self._due[key] > 1:
                await park_line(self._db, key, self._now, first, _PARKED_AT_ONCE)


def _by_key(runs: Iterable[Run | WaitingRunRow]) -> Counter[str]:
    """How many of the runs each rate's key has."""
    return Counter(run.rate.key for run in runs if run.rate is not None)
