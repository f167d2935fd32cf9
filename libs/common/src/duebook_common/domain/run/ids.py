"""The ids of runs: functions of what a run stands for, so that each process which makes one makes the same."""

from datetime import datetime
from uuid import UUID

from duebook_common.domain.ids import ordered_uuid, uuid5


def run_id_at(job_id: UUID, nominal_at: datetime) -> UUID:
    """The id of a nominal time's run (UTC): always the same for the same occurrence."""
    return ordered_uuid(nominal_at, job_id, f"at:{nominal_at:%Y-%m-%dT%H:%M:%S.%fZ}")


def run_id_for(job_id: UUID, actor: str, key: str) -> UUID:
    """The id of a manually triggered run: always the same for the same Idempotency-Key of the same actor."""
    return uuid5(job_id, f"key:{actor}\n{key}")


def run_id_of_rerun(job_id: UUID, run_id: UUID, actor: str, key: str) -> UUID:
    """The id of a run that repeats another: always the same for the same Idempotency-Key of the same actor."""
    return uuid5(job_id, f"rerun:{run_id}\n{actor}\n{key}")


def run_id_of_backfill(job_id: UUID, nominal_at: datetime) -> UUID:
    """The id of a past nominal time's backfill (UTC): always the same, however often it is backfilled."""
    return ordered_uuid(nominal_at, job_id, f"backfill:{nominal_at:%Y-%m-%dT%H:%M:%S.%fZ}")


def run_id_of_follow_up(run_id: UUID, version: int, entry: int) -> UUID:
    """The id of the run that follows an end of a run: the event of that version, by that entry of `then`.

    The same whichever job has the key that the entry names, so an end has one follow-up for each entry.
    """
    return uuid5(run_id, f"then:{version}:{entry}")
