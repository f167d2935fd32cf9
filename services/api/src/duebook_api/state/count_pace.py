"""How often gauges are counted from tables that may be large: the longer it takes, the less often."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from asyncpg import QueryCanceledError

from duebook_api.state.kept_answer import kept_for
from duebook_common.runtime.loops import count_failure

log = structlog.stdlib.get_logger("gauges")

_FIRST_REST, _LONGEST_REST = 30.0, 300.0  # seconds after a count that was cancelled: a statement takes 15 at most
_REMEDY = "VACUUM (ANALYZE) runs, jobs, and see whether PostgreSQL's memory holds their indexes"


class CountPace:
    """Counts of one loop begin at an interval of so many seconds; a slow one is followed by a pause of 30 at most.

    A count may be slow because of an outage, and then the next ones are needed soon. Only counts that are cancelled
    again and again are made as seldom as every five minutes.
    """

    def __init__(self, loop: str, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._loop, self._interval, self._clock = loop, interval, clock
        self._pause, self._rest = interval, _FIRST_REST

    def pause(self) -> timedelta:
        """Until the next count."""
        return timedelta(seconds=self._pause)

    @contextmanager
    def count(self) -> Iterator[None]:
        """One count. If it is cancelled, because it took too long, the gauges stay as they are until the next one."""
        began = self._clock()
        try:
            yield
        except QueryCanceledError as error:
            self._pause, self._rest = self._rest, min(2 * self._rest, _LONGEST_REST)
            count_failure(self._loop)
            log.warning("a count took too long, and its gauges stay as they are", error=error, seconds=self._pause,
                        remedy=_REMEDY)  # fmt: skip
        else:
            self._pause, self._rest = kept_for(self._clock() - began, self._interval), _FIRST_REST
