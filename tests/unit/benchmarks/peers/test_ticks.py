import time
from pathlib import Path

import pytest

from benchmarks.peers import ticks


def test_each_tick_counts_and_the_last_one_has_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, began = tmp_path / "ticks", time.time()
    monkeypatch.setenv(ticks.VARIABLE, str(file))
    for _ in range(3):
        ticks.tick()
    assert file.stat().st_size == 3
    assert ticks.ended_at(file, 3, seconds=0) == pytest.approx(began, abs=60)


def test_tasks_that_never_run_are_counted_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "ticks").write_bytes(b"..")
    with pytest.raises(TimeoutError, match="2 of 3 tasks have run after 0 s"):
        ticks.ended_at(tmp_path / "ticks", 3, seconds=0)
