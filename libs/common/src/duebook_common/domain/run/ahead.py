"""Runs that were decided ahead: a scheduler has dispatched them shortly before the instant at which they are due.

Their events have that instant as their time, so `created_at` lies in the future until it comes. What other clocks do to
them before it counts as done at the instant, so the times in a run's stream stay in order.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from duebook_common.domain.run.state import Run, RunStatus

LONGEST_LOOK_AHEAD = timedelta(seconds=8)
"""No run is decided earlier than that. One that seems to be was decided before the clock was set back."""

KEPT_UNTIL = timedelta(milliseconds=400)
"""Schedulers keep a run until so long before its instant at least, unless an executor holds it without a slot."""


def instant_ahead(run: Run, now: datetime) -> datetime | None:
    """The instant at which the run is due, if it lies ahead; None if it has come."""
    instant = run.created_at
    return instant if now < instant <= now + LONGEST_LOOK_AHEAD else None


def started_ahead(runs: Iterable[Run], now: datetime) -> datetime | None:
    """The last instant at which one of the runs will begin whose start is recorded already; None if there is none."""
    started = (run for run in runs if run.status is RunStatus.RUNNING)
    return max((at for run in started if (at := instant_ahead(run, now)) is not None), default=None)


def decided_ahead(runs: Iterable[Run], now: datetime) -> datetime | None:
    """The last instant of the runs that were decided ahead, started or not; None if there are none."""
    return max((at for run in runs if (at := instant_ahead(run, now)) is not None), default=None)
