"""Concurrency keys: those that waiting runs have, and rates' keys, how many slots are taken, and whose turn it is."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.predicates import HOLDS_KEY, MAY_START, WAITS_FOR_KEY
from duebook_common.store.waiting_runs import WAITING_COLUMNS, WaitingRunRow, waiting_run_of

_KEYS = """
SELECT DISTINCT concurrency_key, rate_key FROM runs
WHERE status = 'waiting' AND job_id = ANY($1::uuid[]) AND coalesce(concurrency_key, rate_key) IS NOT NULL
"""

_HOLDERS = f"""
SELECT concurrency_key, count(*) AS holders FROM runs
WHERE concurrency_key = ANY($1::text[]) AND {HOLDS_KEY} GROUP BY concurrency_key
"""  # noqa: S608

# Runs with a rate and those of other queues are left out: whether the rate lets them start, and whether their queue has
# capacity, is not known here. So they may change places. A run that was due for seconds and is still here cannot be
# sent for a reason of its own. Behind a thousand that may not start, as in a paused queue, the others are not known.
_FIRST = f"""
SELECT first.* FROM unnest($1::text[], $2::int[]) AS wanted (key, most), LATERAL (
    SELECT {WAITING_COLUMNS} FROM (
        SELECT * FROM runs WHERE concurrency_key = wanted.key AND {WAITS_FOR_KEY}
        ORDER BY created_at, nominal_at LIMIT 1000
    ) AS runs
    WHERE {MAY_START} AND rate_key IS NULL AND queue = ANY($4::text[])
      AND reason IS DISTINCT FROM 'task'
      AND due_at <= $3 AND wake_at > $3::timestamptz - interval '5 seconds'
      AND (start_by IS NULL OR attempt > 0 OR start_by >= $3)
    ORDER BY created_at, nominal_at LIMIT wanted.most
) AS first
"""  # noqa: S608
_MOST_FIRST = 100  # of one key


class WaitingKeys(NamedTuple):
    """The concurrency keys and the keys of rates that some waiting runs have."""

    concurrency: list[str]
    rates: list[str]


async def keys_of_waiting(db: Connection, job_ids: Sequence[UUID]) -> WaitingKeys:
    """The keys of all waiting runs of these jobs. None is added while the jobs are locked."""
    records = await db.fetch(_KEYS, job_ids)
    found = ({record[name] for record in records} - {None} for name in ("concurrency_key", "rate_key"))
    return WaitingKeys(*map(sorted, found))


async def key_holders(db: Connection, keys: Iterable[str]) -> Mapping[str, int]:
    """How many runs hold each key. Exact while the keys are locked (`locks.lock_keys`)."""
    wanted = list(keys)
    records = await db.fetch(_HOLDERS, wanted) if wanted else []
    return dict.fromkeys(wanted, 0) | {record["concurrency_key"]: record["holders"] for record in records}


async def first_of_keys(
    db: Connection, due: Iterable[Run], holders: Mapping[str, int], now: datetime
) -> list[WaitingRunRow]:
    """The runs that have waited longest for the free slots of the keys of the `due` runs, whether they are due or not.

    They are of the queues of the `due` runs, and wait for nothing else that the database knows. Exact while the keys
    are locked.
    """
    free, queues = Counter[str](), set[str]()
    for run in due:
        if (limit := run.concurrency) is not None and limit.key in holders:
            free[limit.key] = max(free[limit.key], min(limit.limit - holders[limit.key], _MOST_FIRST))
            queues.add(run.queue)
    wanted = +free  # without keys that have no free slot
    records = await db.fetch(_FIRST, list(wanted), list(wanted.values()), now, list(queues)) if wanted else []
    return [waiting_run_of(record) for record in records]
