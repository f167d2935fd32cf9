"""Schemas of the answers about queues and their pauses."""

from pydantic import AwareDatetime, BaseModel

from duebook_api.schemas.answers import Page
from duebook_api.schemas.overviews import Pause


class Queue(BaseModel):
    """A work queue: what waits in it, who serves it, and whether it is paused."""

    name: str
    due: int
    waiting: int
    dispatched: int
    running: int
    retrying: int
    dead_lettered: int
    oldest_due_at: AwareDatetime | None
    executors: int
    pause: Pause | None
    frozen: bool


class Queues(Page[Queue]):
    """The queues by name, and the freeze of the whole installation."""

    freeze: Pause | None


class Freeze(BaseModel):
    """Whether the whole installation is frozen."""

    freeze: Pause | None
