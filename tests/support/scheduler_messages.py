"""What schedulers of a test send, without a broker: no message twice, and early no more than executors hold."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from duebook_common.domain.run.state import Run
from duebook_common.store.database import Clock
from duebook_scheduler.run_sender import RunSender


class Messages:
    """What all schedulers sent, for executors to receive it as often as they like."""

    def __init__(self) -> None:
        self.waiting: list[Run] = []
        self.sent: set[tuple[UUID, int]] = set()
        self.early = 0  # how many were sent before the look-ahead


class CheckedSender(RunSender):
    """That of one start of a scheduler, which may send `most` runs before the look-ahead."""

    connected, held_queues = True, frozenset[str]()

    def __init__(self, messages: Messages, clock: Clock, ahead: timedelta, most: int) -> None:
        self._messages, self._clock = messages, clock
        self._ahead, self._most = ahead, most
        self._early: list[Run] = []

    async def send(self, runs: Sequence[Run], *, bury: bool = False) -> None:
        for run in runs:
            assert (run.id, run.dispatch) not in self._messages.sent, "nothing is decided or sent twice"
            self._messages.sent.add((run.id, run.dispatch))
        self._messages.waiting += runs
        now = self._clock.now()
        early = [run for run in runs if run.created_at - self._ahead > now]
        self._early = [run for run in self._early if run.created_at > now] + early
        self._messages.early += len(early)
        assert all(run.start_by is None for run in early), "no executor holds what may expire"
        assert not early or len(self._early) <= self._most
