"""The state of a queue, or of the installation: its last pause."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from duebook_common.domain.queue.events import INSTALLATION, Frozen, QueueEvent, QueuePaused


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of the queue `name`, from `since` on (UTC); without `until` it goes on.

    `version` is that of the last event about it. `reason` and `paused_by` are those of the last command that paused,
    `resume_reason` and `resumed_by` those of the one that resumed.
    """

    name: str
    version: int
    since: datetime
    reason: str | None
    paused_by: str
    until: datetime | None = None
    resume_reason: str | None = None
    resumed_by: str | None = None

    @property
    def going_on(self) -> bool:
        return self.until is None


def evolve(last: Pause | None, name: str, version: int, actor: str, event: QueueEvent) -> Pause:
    """The last pause after an event; never refuses."""
    if isinstance(event, QueuePaused | Frozen):
        if last is not None and last.going_on:
            return replace(last, version=version, reason=event.reason, paused_by=actor)
        return Pause(name, version, event.at, event.reason, actor)
    if last is None:
        raise ValueError("a queue's first event pauses it")
    return replace(last, version=version, until=event.at, resume_reason=event.reason, resumed_by=actor)


class Pauses:
    """Pauses of any queues, found by queue; those of the installation belong to each."""

    def __init__(self, pauses: Iterable[Pause] = ()) -> None:
        self._by_name: dict[str, list[Pause]] = {}
        for pause in pauses:
            self._by_name.setdefault(pause.name, []).append(pause)

    def of(self, queue: str) -> Sequence[Pause]:
        """The pauses of the queue and of the installation."""
        if not self._by_name:
            return ()
        return [*self._by_name.get(queue, ()), *self._by_name.get(INSTALLATION, ())]

    def going_on(self, queue: str) -> Pause | None:
        """The pause that keeps the queue from running now: its own first, else the freeze."""
        return next((pause for pause in self.of(queue) if pause.going_on), None)

    @property
    def all(self) -> list[Pause]:
        """Each pause, in the order of their names."""
        return [pause for _, pauses in sorted(self._by_name.items()) for pause in pauses]

    @property
    def names(self) -> set[str]:
        return set(self._by_name)
