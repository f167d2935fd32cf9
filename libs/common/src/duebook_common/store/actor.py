"""The actor of an event: the client or process that causes it."""

from dataclasses import dataclass

from duebook_common.runtime import timezones
from duebook_common.store.codec import dumps


@dataclass(frozen=True, slots=True)
class Actor:
    """The name of an API key or a process, the trace to which its command belongs, and its bulk operation, if any."""

    name: str
    traceparent: str | None = None
    bulk: str | None = None

    def meta(self, **more: str) -> bytes:
        """The metadata of an event, as JSON."""
        trace = {"traceparent": self.traceparent} if self.traceparent else {}
        bulk = {"bulk": self.bulk} if self.bulk else {}
        return dumps({"actor": self.name, **trace, **bulk, **more})

    def meta_of_schedule(self) -> bytes:
        """The metadata of an event that depends on a schedule: it adds the version of the time zone rules."""
        return self.meta(tzdata=timezones.VERSION)
