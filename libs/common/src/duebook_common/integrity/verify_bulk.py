"""Bulk operations: each row is the fold of its events, and what an operation counts as done stands in the log."""

from collections.abc import Iterable

from duebook_common.domain.bulk.state import BulkOperation, BulkStatus
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.store.bulk_rows import acts_prefix, load_bulk
from duebook_common.store.database import Connection
from duebook_common.store.departed_acts import all_acts
from duebook_common.store.eventstore import RecordedEvent
from duebook_common.store.replay import by_stream, fold_bulk


async def check_bulk(db: Connection, recorded: Iterable[RecordedEvent]) -> list[Breach]:
    """`recorded` are events without a job, in the order of the log."""
    folds = {stream: fold_bulk(items) for stream, items in by_stream(recorded, "bulk-").items()}
    rows = await load_bulk(db, [fold.id for fold in folds.values()])
    acts = await all_acts(db) if folds else {}
    breaches = []
    for stream, fold in folds.items():
        if fold.id not in rows or rows[fold.id].bulk != fold:
            breaches.append(Breach(Invariant.READ_MODELS, stream, "the row of bulk_operations differs from the log"))
        in_log = acts.get((fold.id, acts_prefix(fold.action)), 0)
        if fold.status is not BulkStatus.RUNNING and fold.done != in_log:
            breaches.append(Breach(Invariant.EXACTLY_ONCE, stream, _miscounted(fold, in_log)))
    return breaches


def _miscounted(fold: BulkOperation, in_log: int) -> str:
    return f"it counts {fold.done} targets as done, and the log has {in_log} of its acts"
