"""The archives as the log has them: a chain without a gap, which the rows of `archives` show.

Whether the files are what was written, `duebook archive verify` checks: they may be many, and far away.
"""

from collections.abc import Sequence

from duebook_common.archives.chain import check_chain, recorded_manifests
from duebook_common.domain.archive import STREAM
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.store.archive_handling import chain_of, wrong_archives, wrong_erasures
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import RecordedEvent


async def check_archives(db: Connection, others: Sequence[RecordedEvent]) -> list[Breach]:
    """Breaches among all events that belong to no job."""
    chain = check_chain(recorded_manifests(chain_of(others)))
    wrong = [f"the row of {archive.period} differs from the log" for archive in await wrong_archives(db, others)]
    wrong += [
        f"the erasures from the archive {event.number} differ from the log"
        for event, _ in await wrong_erasures(db, others)
    ]
    return [
        *(Breach(Invariant.APPEND_ONLY, STREAM, f"{fault.period}: {fault.says}") for fault in chain),
        *(Breach(Invariant.READ_MODELS, STREAM, says) for says in wrong),
    ]
