"""Invariant 5 for pauses: the rows of each queue, and of the installation, are the fold of its events."""

from collections.abc import Iterable, Sequence

from duebook_common.domain.queue.events import name_of
from duebook_common.domain.queue.state import Pauses
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import RecordedEvent
from duebook_common.store.queue_pauses import pauses_of
from duebook_common.store.replay import by_stream, fold_pauses, is_of_queue


def fold_all_pauses(recorded: Iterable[RecordedEvent]) -> Pauses:
    """All pauses in the log. `recorded` are the events without a job, in its order."""
    streams = by_stream(item for item in recorded if is_of_queue(item.stream))
    return Pauses(pause for items in streams.values() for pause in fold_pauses(items))


async def check_pauses(db: Connection, recorded: Iterable[RecordedEvent]) -> list[Breach]:
    """`recorded` are events without a job, in the order of the log."""
    streams = by_stream(item for item in recorded if is_of_queue(item.stream))
    return [breach for stream, items in streams.items() for breach in await _check(db, stream, items)]


async def _check(db: Connection, stream: str, recorded: Sequence[RecordedEvent]) -> list[Breach]:
    if await pauses_of(db, name_of(stream)) == fold_pauses(recorded):
        return []
    return [Breach(Invariant.READ_MODELS, stream, "the rows of queue_pauses differ from the log")]
