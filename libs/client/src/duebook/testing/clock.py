"""A clock that moves only when it is told to."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Starts at a time (UTC), which is that of the first attempt; delays between attempts move it, without sleeping."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by
