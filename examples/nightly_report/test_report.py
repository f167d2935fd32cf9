from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from duebook.testing import run_task_sync
from examples.nightly_report.report import TABLES, Pool, Report, nightly

NIGHT = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    pool = Pool(str(tmp_path / "sales.db"), size=1)
    with pool.transaction() as connection:
        connection.executescript(TABLES)
        connection.executemany("INSERT INTO sales VALUES (?, 'mitte', ?)", [("2026-11-24", 700), ("2026-11-25", 9)])
    yield pool
    pool.close()


def test_a_report_is_about_the_day_before_and_is_written_once(pool: Pool) -> None:
    for _ in range(2):
        outcome = run_task_sync(nightly, Report(shop="mitte"), resources={Pool: pool}, nominal_at=NIGHT)
        assert outcome.result == {"day": "2026-11-24", "cents": 700}
    with pool.transaction() as connection:
        assert connection.execute("SELECT * FROM reports").fetchall() == [("2026-11-24", "mitte", 700)]


def test_a_report_without_a_shop_is_a_dead_letter_at_once(pool: Pool) -> None:
    outcome = run_task_sync(nightly, Report(shop=""), resources={Pool: pool})
    assert (outcome.status, len(outcome.attempts)) == ("dead_lettered", 1)
