"""How many runs of a queue would be under way at once, by how long attempts have taken."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from duebook_api.schedules.forecast.counts import HOUR, HourlyCounts, start_of
from duebook_api.schedules.forecast.plans import INSTANT, Lasting, starts
from duebook_common.domain.definition import Overlap

# What one forecast may look at: starts one by one, and jobs times ranges of hours.
_MOST_STARTS, _MOST_LOOKS, _FEW_HOURS = 300_000, 50_000, 24
_LOOK_BACK = timedelta(days=1)

Lengths = Callable[[HourlyCounts], Lasting]
Range = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Peak:
    """The most runs at once, and since when; no instant where nothing is under way."""

    runs: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Peaks:
    """With mean durations, and with those that 95 of 100 attempts keep; `hours` were looked at, None for all."""

    mean: Peak
    p95: Peak
    hours: int | None


def peaks(queue: Sequence[HourlyCounts], lengths: Lengths, share: float) -> Peaks:
    """The peaks of one queue; with very many runs, those of its busiest hours. `share` is its part of the effort."""
    hours = _busiest(queue, lengths, share)
    whole = (min(each.first for each in queue), max(each.last for each in queue) + INSTANT)
    ranges = [whole] if hours is None else _ranges(hours)
    mean = _peak(queue, ranges, lambda counted: lengths(counted).mean)
    p95 = _peak(queue, ranges, lambda counted: lengths(counted).p95)
    return Peaks(mean, p95, None if hours is None else len(hours))


def _busiest(queue: Sequence[HourlyCounts], lengths: Lengths, share: float) -> list[int] | None:
    """The hours with the most work in them, as many as the effort allows; None where it allows all."""
    runs, work, budget = Counter[int](), dict[int, float](), _MOST_STARTS * share
    for counted in queue:
        runs.update(counted.hours)
        length = lengths(counted).mean
        for hour, count in counted.hours.items():
            work[hour] = work.get(hour, 0.0) + count * length
    if runs.total() <= budget:
        return None
    most = min(_FEW_HOURS, max(1, int(_MOST_LOOKS * share) // len(queue)))
    chosen, total = list[int](), 0
    for hour in sorted(work, key=lambda hour: (-work[hour], hour))[:most]:
        total += runs[hour]
        if chosen and total > budget:
            break
        chosen.append(hour)
    return sorted(chosen)


def _ranges(hours: Sequence[int]) -> list[Range]:
    """The hours as ranges, those that touch as one."""
    found: list[Range] = []
    for hour in hours:
        begin = found.pop()[0] if found and found[-1][1] == start_of(hour) else start_of(hour)
        found.append((begin, start_of(hour) + HOUR))
    return found


def _peak(queue: Sequence[HourlyCounts], ranges: Sequence[Range], length: Callable[[HourlyCounts], float]) -> Peak:
    best = Peak()
    for range_ in ranges:
        spans = [span for counted in queue for span in _spans(counted, range_, length(counted))]
        best = max(best, _most_at_once(spans, range_[0].timestamp()), key=lambda peak: peak.runs)
    return best


def _spans(counted: HourlyCounts, range_: Range, seconds: float) -> Iterator[tuple[float, float]]:
    """From when to when runs would be under way, in seconds; of a job one at a time, unless it lets them overlap."""
    begin, end = range_
    low = max(begin - min(timedelta(seconds=seconds), _LOOK_BACK), counted.first)
    begins = [time.timestamp() for time in starts(counted.plan, low, min(end, counted.last + INSTANT))]
    ends = [begin + seconds for begin in begins]
    if counted.plan.definition.overlap is not Overlap.ALLOW_ALL:
        ends[:-1] = [min(start + seconds, following) for start, following in pairwise(begins)]
    return zip(begins, ends, strict=True)


def _most_at_once(spans: Sequence[tuple[float, float]], since: float) -> Peak:
    """What ends at an instant makes room for what starts then; only instants from `since` on count."""
    begins, ends = sorted(begin for begin, _ in spans), sorted(end for _, end in spans)
    ended, most, at = 0, 0, None
    for begun, begin in enumerate(begins, 1):
        while ends[ended] <= begin:
            ended += 1
        if begin >= since and begun - ended > most:
            most, at = begun - ended, begin
    return Peak(most, None if at is None else datetime.fromtimestamp(at, UTC))
