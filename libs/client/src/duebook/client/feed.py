"""The log of events, followed from a position."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from duebook.client.models import Event, Feed
from duebook.client.steps import Call, Retries, send
from duebook.client.wire import Request

FOR_EVER = float("inf")


@dataclass(slots=True)
class Position:
    """How far a reader of the log has got. It moves as pages are read, so a lost connection loses no event."""

    after: str | None
    filters: Mapping[str, Any] = field(default_factory=dict)
    behind: bool = True
    """Whether there are more events at once."""

    def read(self) -> Call[list[Event]]:
        """The next events, none if there are no newer ones; raises Gone if it cannot resume after the position."""
        query = {"after": self.after, "limit": 200, **self.filters}
        page = yield from send(Request("GET", "/api/events", query), Feed.model_validate)
        self.after, self.behind = page.position, page.next_cursor is not None
        return list(page.items)


def endless(retries: Retries) -> Retries:
    """A reader that follows the log outlives any outage."""
    return Retries(FOR_EVER, retries.clock, retries.chance)
