"""What all parts of the poll share."""

from dataclasses import dataclass, field

from duebook_common.store.actor import Actor
from duebook_common.store.database import Clock, Pool
from duebook_scheduler.paused_queues import PausedQueues
from duebook_scheduler.served_tasks import ServedTasks
from duebook_scheduler.settings import SchedulerSettings


@dataclass(frozen=True, slots=True)
class PollContext:
    """The database and its clock, the settings, the actor of the scheduler's events, and what holds runs back:

    which tasks have executors, and which queues are paused.
    """

    pool: Pool
    clock: Clock
    settings: SchedulerSettings
    actor: Actor
    served: ServedTasks = field(default_factory=ServedTasks)
    paused: PausedQueues = field(default_factory=PausedQueues)
