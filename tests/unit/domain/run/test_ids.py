"""The ids of runs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from duebook_common.domain.run.ids import run_id_at, run_id_for
from support.samples import JOB_ID, NOW


def test_equal_occurrences_have_the_same_run_and_others_have_another() -> None:
    assert run_id_at(JOB_ID, NOW) == run_id_at(JOB_ID, datetime(2026, 11, 24, 1, tzinfo=UTC))
    others = {
        run_id_at(JOB_ID, NOW),
        run_id_at(JOB_ID, NOW + timedelta(microseconds=1)),
        run_id_at(UUID(int=9), NOW),
        run_id_for(JOB_ID, "key:1", "a"),
        run_id_for(JOB_ID, "key:1", "b"),
        run_id_for(JOB_ID, "key:2", "a"),
        run_id_for(UUID(int=9), "key:1", "a"),
    }
    assert len(others) == 7


def test_run_ids_never_change() -> None:
    assert run_id_at(JOB_ID, NOW) == UUID("01a20b11-1a80-8928-9b49-bce438c39ea4")
    assert run_id_for(JOB_ID, "key:1", "a") == UUID("a1550e4c-6125-517c-8bef-4ab36c3a2632")
