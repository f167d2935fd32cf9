"""Concurrency keys: which of them waiting runs have, and how many slots are taken."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from duebook_common.store.database import Connection
from duebook_common.store.predicates import HOLDS_KEY

_KEYS = """
SELECT DISTINCT concurrency_key FROM runs
WHERE status = 'waiting' AND job_id = ANY($1::uuid[]) AND concurrency_key IS NOT NULL
"""

_HOLDERS = f"""
SELECT concurrency_key, count(*) AS holders FROM runs
WHERE concurrency_key = ANY($1::text[]) AND {HOLDS_KEY} GROUP BY concurrency_key
"""  # noqa: S608


async def keys_of_waiting(db: Connection, job_ids: Sequence[UUID]) -> list[str]:
    """The keys of all waiting runs of these jobs. None is added while the jobs are locked."""
    return [record["concurrency_key"] for record in await db.fetch(_KEYS, job_ids)]


async def key_holders(db: Connection, keys: Iterable[str]) -> Mapping[str, int]:
    """How many runs hold each key. Exact while the keys are locked (`locks.lock_keys`)."""
    wanted = list(keys)
    records = await db.fetch(_HOLDERS, wanted) if wanted else []
    return dict.fromkeys(wanted, 0) | {record["concurrency_key"]: record["holders"] for record in records}
