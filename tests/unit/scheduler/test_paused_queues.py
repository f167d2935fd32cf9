"""What a scheduler does about a change of the pauses if PostgreSQL fails in the middle of its look."""

from collections.abc import Mapping
from typing import Any

import pytest

from duebook_common.domain.queue.events import INSTALLATION
from duebook_common.domain.queue.state import Pause, Pauses
from duebook_scheduler import paused_queues as module
from duebook_scheduler.looks import Lane
from duebook_scheduler.paused_queues import PausedQueues
from support.samples import NOW


class Log:
    """The pauses that go on, the only queue with runs, and what was recalled and woken."""

    def __init__(self) -> None:
        self.pauses, self.fails = list[Pause](), False
        self.recalled, self.woken = list[str](), list[str]()

    async def pauses_now(self, _db: Any) -> Pauses:
        return Pauses(self.pauses)

    async def pauses_since(self, _db: Any, _since: Any) -> Pauses:
        return Pauses()

    async def lanes(self, _db: Any, _table: str) -> list[Lane]:
        if self.fails:
            raise ConnectionError
        return [Lane("default", 4, NOW)]

    async def recall_dispatched(self, _db: Any, queues: Any, _at: Any, _limit: int) -> dict[str, int]:
        self.recalled += queues
        return {}

    async def wake_queues(
        self, _db: Any, queues: Mapping[str, Any], _at: Any, _limit: int
    ) -> tuple[int, dict[str, Any]]:
        self.woken += queues
        return 0, {}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    for name in ("pauses_now", "pauses_since", "lanes", "recall_dispatched", "wake_queues"):
        monkeypatch.setattr(module, name, getattr(log, name))
    return log


async def test_a_change_that_a_failed_look_has_seen_is_followed_up_by_the_next(log: Log) -> None:
    db: Any = None
    queues = PausedQueues()
    await queues.read(db, NOW)
    frozen = [Pause(INSTALLATION, 1, NOW, None, "me")]
    for pauses in (frozen, []):
        log.pauses, log.fails = pauses, True
        with pytest.raises(ConnectionError):
            await queues.read(db, NOW)
        log.fails = False
        await queues.read(db, NOW)
    assert (log.recalled, log.woken) == (["default"], ["default"])
