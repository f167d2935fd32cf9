"""One attempt that is under way in this process, and the states that it passes through."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from duebook_common.domain.run.state import Run
from duebook_executor.notes import Notes
from duebook_executor.queries import Assignment


class AttemptState(StrEnum):
    RUNNING = "running"
    CANCELLING = "cancelling"  # interrupted: a client or an overlap policy requested it
    LOST = "lost"  # interrupted: it no longer owns its run: counted as lost, or the run was terminated
    RELEASING = "releasing"  # interrupted: the executor is shutting down
    ENDING = "ending"  # the work is over, its outcome is being recorded


# The states by which an attempt can be interrupted. An interrupted task may take a while to stop. Meanwhile a shutdown
# still turns the attempt into a released one, and a later interruption never replaces a shutdown. Once the outcome is
# being recorded, nothing interrupts it.
_INTERRUPTIONS: Mapping[AttemptState, frozenset[AttemptState]] = {
    AttemptState.RUNNING: frozenset({AttemptState.CANCELLING, AttemptState.LOST, AttemptState.RELEASING}),
    AttemptState.CANCELLING: frozenset({AttemptState.LOST, AttemptState.RELEASING}),
    AttemptState.LOST: frozenset({AttemptState.RELEASING}),
    AttemptState.RELEASING: frozenset(),
    AttemptState.ENDING: frozenset(),
}


@dataclass(slots=True)
class Attempt:
    """One attempt under way. `run` is the run as AttemptStarted left it.

    `started_at` is in seconds of the event loop's clock. `has_lease` says that PostgreSQL holds a lease of the attempt.
    `held`: it waits for its instant without a slot, with so many bytes of payload as JSON. `acknowledged`: its delivery
    is, so a dead letter needs another. `failure` is the kind of its failure, without any contents.
    """

    run: Run
    assignment: Assignment
    started_at: float
    notes: Notes
    work: "asyncio.Task[Run | None]" = field(init=False)
    has_lease: bool = False
    held: bool = False
    held_bytes: int = 0
    acknowledged: bool = False
    failure: str | None = None
    state: AttemptState = AttemptState.RUNNING

    def interrupt(self, state: AttemptState) -> bool:
        """Cancel the work for the reason that `state` names; False, without effect, if that is no legal next state."""
        if state not in _INTERRUPTIONS[self.state]:
            return False
        self.state = state
        self.work.cancel()
        return True

    def end(self) -> None:
        """The work is over: from here on nothing interrupts the attempt."""
        self.state = AttemptState.ENDING
        self.notes.finish()
