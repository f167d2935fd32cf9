"""When a child that has ended is started again, and when that is hopeless."""

from dataclasses import dataclass

_STEADY_SECONDS = 60.0  # a child that was ready for so long has not failed because of its start
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds
MOST_FAILED_STARTS = 5


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often in a row one child has ended soon, and how often before it was ready at all."""

    early_ends: int = 0
    failed_starts: int = 0

    def after(self, seconds_ready: float | None) -> "Restarts":
        """The count after another end; `seconds_ready` is how long the child was ready, None if it never was."""
        if seconds_ready is None:
            return Restarts(self.early_ends + 1, self.failed_starts + 1)
        return Restarts(self.early_ends + 1 if seconds_ready < _STEADY_SECONDS else 0)

    @property
    def pause(self) -> float:
        """Seconds until the next start: they double with each early end."""
        return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self.early_ends, 10))

    @property
    def hopeless(self) -> bool:
        """Whether further starts are likely to fail too, so that the parent should end with the child's exit code."""
        return self.failed_starts >= MOST_FAILED_STARTS
