"""The filters of the log, as query parameters."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from duebook_api.http.fields import JobId
from duebook_api.http.paging import SEVERAL, Id, NoQuery, Text
from duebook_common.store.event_scan import EventFilter

EventType = Annotated[str, Field(min_length=1, max_length=100)]


class EventQuery(NoQuery):
    """Which events of the log."""

    type: Annotated[tuple[EventType, ...], SEVERAL, Field(max_length=50)] = ()
    job_id: JobId | None = None
    run_id: Id | None = None
    actor: Text | None = None

    def wanted(self) -> EventFilter | None:
        """The filter; None if all events are wanted."""
        job_id, run_id = (None if each is None else UUID(each) for each in (self.job_id, self.run_id))
        found = EventFilter(frozenset(self.type), job_id, run_id, self.actor)
        return None if found == EventFilter() else found
