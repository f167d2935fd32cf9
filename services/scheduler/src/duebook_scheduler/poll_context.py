"""What all parts of the poll share."""

from dataclasses import dataclass

from duebook_common.store.actor import Actor
from duebook_common.store.database import Clock, Pool
from duebook_scheduler.settings import SchedulerSettings


@dataclass(frozen=True, slots=True)
class PollContext:
    """The database and its clock, the settings, and the actor of the scheduler's events."""

    pool: Pool
    clock: Clock
    settings: SchedulerSettings
    actor: Actor
