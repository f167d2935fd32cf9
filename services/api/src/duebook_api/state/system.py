"""What runs, and how the database and the log are: read at most once a second for all who ask this process."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from duebook_api.state.changes import Changes
from duebook_api.state.kept_answer import KeptAnswer
from duebook_common.store.database import Connection, Pool, acquire
from duebook_common.store.log_progress import Horizon, lag
from duebook_common.store.predicates import PRESENCE

_AGE_OF_SIZES = 60.0  # seconds
_MOST_SERVICES = 500
_SERVICES = f"""
SELECT instance_id AS id, service, host, version, schema, tzdata, settings, started_at, seen_at, {PRESENCE} AS state
FROM services WHERE seen_at > clock_timestamp() - interval '1 day' ORDER BY service, seen_at DESC LIMIT {_MOST_SERVICES}
"""  # noqa: S608
_DATABASE = "SELECT version_num AS schema, current_setting('server_version') AS version, now() FROM alembic_version"
# The partitions of a table count together, under its name. PostgreSQL counts live rows before it analyses a table.
_SIZES = """
SELECT root.relname AS name, sum(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)))::bigint AS rows,
       sum(pg_total_relation_size(c.oid))::bigint AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class root ON root.oid = coalesce(pg_partition_root(c.oid), c.oid)
WHERE c.relkind = 'r' AND nspname = current_schema() GROUP BY root.relname ORDER BY bytes DESC, name
"""

_NEWEST_ARCHIVES = 12
_ARCHIVES = """
SELECT count(*), coalesce(sum(events), 0)::bigint AS events, coalesce(sum(bytes), 0)::bigint AS bytes FROM archives
"""
_ARCHIVED = f"""
SELECT number, period, events, bytes, digest, address, archived_at FROM archives
ORDER BY number DESC LIMIT {_NEWEST_ARCHIVES}
"""  # noqa: S608
_KEPT_SINCE = "SELECT min(born) FROM periods WHERE status <> 'archived'"


class System:
    """The last answer, made anew when a process has changed. `horizon` is watched by the gauges too."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self.horizon = Horizon()
        self._kept = KeptAnswer[dict[str, Any]](note_old=changes.repeat_at)
        self._sizes = KeptAnswer[list[dict[str, Any]]](_AGE_OF_SIZES)

    async def read(self, pool: Pool) -> dict[str, Any]:
        return await self._kept.read(partial(self._make, pool), self._changes.processes)

    async def _make(self, pool: Pool) -> dict[str, Any]:
        async with acquire(pool) as db:
            return await self._read(db)

    async def _read(self, db: Connection) -> dict[str, Any]:
        database: Any = await db.fetchrow(_DATABASE)
        services = [dict(row) for row in await db.fetch(_SERVICES)]
        return {
            "at": database["now"],
            "schema": database["schema"],
            "postgres": database["version"],
            "relay_lag_events": await lag(db, "relay"),
            "feed_horizon_age_seconds": await self.horizon.age(db),
            "settings": settings(services),
            "services": [{name: value for name, value in each.items() if name != "settings"} for each in services],
            "archives": await _read_archives(db),
            "tables": await self._sizes.read(partial(_read_sizes, db)),
        }


async def _read_archives(db: Connection) -> dict[str, Any]:
    sums: Any = await db.fetchrow(_ARCHIVES)
    newest = [dict(row) for row in await db.fetch(_ARCHIVED)]
    return {**sums, "kept_since": await db.fetchval(_KEPT_SINCE), "newest": newest}


async def _read_sizes(db: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch(_SIZES)]


def settings(services: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each setting with its values, and which services have each: more than one value may be a mistake."""
    found: dict[str, list[dict[str, Any]]] = {}
    for service in services:
        if service["state"] == "lost":
            continue
        for name, value in service["settings"].items():
            values = found.setdefault(name, [])
            known = next((each for each in values if each["value"] == value), None)
            if known is None:
                values.append(known := {"value": value, "services": []})
            if service["service"] not in known["services"]:
                known["services"].append(service["service"])
    return [{"name": name, "values": values} for name, values in sorted(found.items())]
