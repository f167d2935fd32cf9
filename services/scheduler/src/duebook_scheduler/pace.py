"""How often to repeat a query that is slow while PostgreSQL has to step over dead rows. Pure."""

from collections import deque

_SHARE = 1 / 50
LONGEST = 300.0  # seconds
_SAMPLES = 5  # the shortest of them counts: others were planned first, or waited for a processor


class Pace:
    """Of a query that is repeated: it shall take a fiftieth of the time at most, unless it is quick."""

    def __init__(self) -> None:
        self._costs = deque[float](maxlen=_SAMPLES)

    def took(self, seconds: float) -> None:
        """Note how long it took."""
        self._costs.append(seconds)

    def pause(self, quick: float) -> float:
        """The seconds until it may be repeated; none if it takes no longer than `quick`."""
        if len(self._costs) < _SAMPLES or min(self._costs) <= quick:
            return 0.0
        return min(min(self._costs) / _SHARE, LONGEST)
