"""The archives as the log has them: a chain without a gap, which the rows of `archives` show.

Whether the files are what was written, `duebook archive verify` checks: they may be many, and far away.
"""

from collections.abc import Sequence

from duebook_common.archives.chain import RecordedArchive, check_chain
from duebook_common.domain.archive import STREAM, LogArchived
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.store.archive_handling import wrong_archives
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import RecordedEvent


async def check_archives(db: Connection, others: Sequence[RecordedEvent]) -> list[Breach]:
    """Breaches among all events that belong to no job."""
    recorded = [item for item in others if item.stream == STREAM]
    events = [event for event in (item.event for item in recorded) if isinstance(event, LogArchived)]
    chain = check_chain([RecordedArchive(e.number, e.period, e.digest, e.previous) for e in events])
    wrong = [event.period for event in await wrong_archives(db, recorded)]
    return [
        *(Breach(Invariant.APPEND_ONLY, STREAM, f"{fault.period}: {fault.says}") for fault in chain),
        *(Breach(Invariant.READ_MODELS, STREAM, f"the row of {period} differs from the log") for period in wrong),
    ]
