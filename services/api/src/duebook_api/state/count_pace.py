"""How often gauges are counted from tables that may be large: the longer it takes, the less often."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from asyncpg import QueryCanceledError

from duebook_api.state.kept_answer import kept_for

log = structlog.stdlib.get_logger("gauges")

_LONGEST = 300.0  # seconds: a statement takes 15 at most


class CountPace:
    """Counts begin at an interval of so many seconds, and take a twentieth of the time at most."""

    def __init__(self, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval, self._clock, self._took = interval, clock, 0.0

    def pause(self) -> timedelta:
        """Until the next count."""
        return timedelta(seconds=kept_for(self._took, self._interval, _LONGEST))

    @contextmanager
    def count(self) -> Iterator[None]:
        """One count. If it is cancelled, because it took too long, the gauges stay as they are until the next one."""
        began = self._clock()
        try:
            yield
        except QueryCanceledError as error:
            log.warning("a count took too long, and its gauges stay as they are", error=error)
        finally:
            self._took = self._clock() - began
