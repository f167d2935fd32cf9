"""What tasks say of runs under way, progress and checkpoints, is forgotten with the contents of the runs."""

from collections.abc import Sequence
from uuid import UUID

from duebook_common.store.database import Connection

_FORGET = (
    "DELETE FROM progress WHERE run_id = ANY($1::uuid[])",
    "DELETE FROM task_checkpoints WHERE run_id = ANY($1::uuid[])",
)


async def forget_notes(db: Connection, run_ids: Sequence[UUID]) -> None:
    """Delete the progress and the checkpoints of these runs."""
    for statement in _FORGET:
        await db.execute(statement, run_ids)
