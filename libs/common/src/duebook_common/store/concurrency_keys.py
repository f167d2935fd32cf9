"""Concurrency keys: which of them, and of rates' keys, waiting runs have, and how many slots are taken."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from duebook_common.store.database import Connection
from duebook_common.store.predicates import HOLDS_KEY

_KEYS = """
SELECT DISTINCT concurrency_key, rate_key FROM runs
WHERE status = 'waiting' AND job_id = ANY($1::uuid[]) AND coalesce(concurrency_key, rate_key) IS NOT NULL
"""

_HOLDERS = f"""
SELECT concurrency_key, count(*) AS holders FROM runs
WHERE concurrency_key = ANY($1::text[]) AND {HOLDS_KEY} GROUP BY concurrency_key
"""  # noqa: S608


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
