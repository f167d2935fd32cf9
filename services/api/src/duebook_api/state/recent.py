"""What the overview says of the last hours: outcomes, lateness and throughput, by the statistics; and the services."""

from datetime import datetime, timedelta
from typing import Any

from duebook_api.schemas.statistics import rollup_view
from duebook_common.domain.statistics import HOUR, MINUTE, OTHER, Dimension, Rollup, floor
from duebook_common.store.database import Connection
from duebook_common.store.statistics_queries import StatisticsRange, read_statistics

_HOURS = 24
_THROUGHPUT = 5 * MINUTE  # the last whole minutes
_ENDS = ("succeeded", "dead_lettered", "cancelled")
_STATES = "alive", "draining", "lost"
# A service renews its row every ten seconds; after a minute without it counts as lost, as in the list of services.
_SERVICES = """
SELECT service, CASE WHEN seen_at < clock_timestamp() - interval '1 minute' THEN 'lost'
                     WHEN draining THEN 'draining' ELSE 'alive' END AS state, count(*) AS number
FROM services WHERE seen_at > clock_timestamp() - interval '1 day' GROUP BY 1, 2 ORDER BY 1
"""


async def recent(db: Connection, now: datetime) -> dict[str, Any]:
    """The last hours one by one, empty ones included, the last sixty minutes together, and runs per second."""
    minutes = await _steps(db, now, MINUTE, 61)
    last_hour = Rollup()
    for rollup in minutes.values():
        last_hour.merge(rollup)
    hours = await _steps(db, now, HOUR, _HOURS)
    return {
        "last_hour": rollup_view(last_hour),
        "hours": [{"at": at, **rollup_view(rollup)} for at, rollup in hours.items()],
        "throughput": _throughput(minutes, floor(now, MINUTE)),
    }


async def _steps(db: Connection, now: datetime, step: timedelta, count: int) -> dict[datetime, Rollup]:
    """The last steps, the one that goes on included."""
    end = floor(now, step) + step
    wanted = StatisticsRange(end - count * step, end, step, step, Dimension.ALL)
    found = await read_statistics(db, wanted, [])
    return {at: found.get((at, OTHER), Rollup()) for at in (wanted.start + n * step for n in range(count))}


def _throughput(minutes: dict[datetime, Rollup], until: datetime) -> float:
    """How many runs ended in a second."""
    counts = [rollup.counts for at, rollup in minutes.items() if until - _THROUGHPUT <= at < until]
    return round(sum(each[name] for each in counts for name in _ENDS) / _THROUGHPUT.total_seconds(), 3)


async def services(db: Connection) -> list[dict[str, Any]]:
    """How many processes of each service are in which state, by name."""
    found: dict[str, dict[str, int]] = {}
    for record in await db.fetch(_SERVICES):
        found.setdefault(record["service"], dict.fromkeys(_STATES, 0))[record["state"]] = record["number"]
    return [{"service": name, **counts} for name, counts in found.items()]
