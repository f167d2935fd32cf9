"""Whether runs are later, or fewer, while a period leaves: compared within each period of the steady part."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from rich.table import Table

from benchmarks.soak.report import Soak, number
from benchmarks.soak.samples import percentile

_SETTLE = 2  # seconds around the begin or end of an archive that count as neither
_UNSEEN = 45  # the last seconds, whose runs have not all been seen ended


@dataclass(frozen=True)
class Seconds:
    """All seconds of one kind: how many runs ended in one, and how late those were that were due in one, in ms."""

    count: int
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Beside:
    """The period that begins at this second: its seconds in which an old period left, and those in which none did."""

    begin: float
    leaving: Seconds
    others: Seconds


def beside(soak: Soak) -> list[Beside]:
    """One for each period of the steady part that has seconds of both kinds."""
    found, begin, last = [], soak.steady_from, soak.samples.at[-1] - _UNSEEN
    while begin + soak.period <= last + 1:
        kinds: dict[bool, list[int]] = {True: [], False: []}
        for second in range(int(begin), int(begin + soak.period)):
            if (kind := _archives(soak.archiving, second)) is not None:
                kinds[kind].append(second)
        leaving, others = _seconds(soak, kinds[True]), _seconds(soak, kinds[False])
        if leaving and others:
            found.append(Beside(begin, leaving, others))
        begin += soak.period
    return found


def beside_table(soak: Soak) -> Table:
    """One row for each period, and what most differ by: the median over the periods, with the least and the most."""
    table = Table("period from", "s leaving", "runs/s leaving, else", "p50 ms leaving, else", "p99 ms leaving, else")
    compared = beside(soak)
    for each in compared:
        pairs = [(each.leaving.rate, each.others.rate), (each.leaving.p50, each.others.p50)]
        pairs.append((each.leaving.p99, each.others.p99))
        cells = (f"{number(a)}, {number(b)}" for a, b in pairs)
        table.add_row(f"{each.begin / 60:.0f} min", str(each.leaving.count), *cells)
    if compared:
        total = sum(each.leaving.count for each in compared)
        table.add_section()
        table.add_row(
            "leaving ÷ else", str(total), *(_spread([*each]) for each in zip(*map(_ratios, compared), strict=True))
        )
    return table


def _ratios(each: Beside) -> tuple[float, float, float]:
    of, to = each.leaving, each.others
    return tuple(a / b if b else 1.0 for a, b in ((of.rate, to.rate), (of.p50, to.p50), (of.p99, to.p99)))  # type: ignore[return-value]


def _spread(ratios: Sequence[float]) -> str:
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _archives(archiving: Sequence[Sequence[float]], second: int) -> bool | None:
    """Whether a period leaves in the whole second; None in between."""
    for begin, end in archiving:
        if begin <= second and second + 1 <= end:
            return True
        if begin - _SETTLE <= second <= end + _SETTLE:
            return None
    return False


def _seconds(soak: Soak, seconds: Sequence[int]) -> Seconds | None:
    late = sorted(_late_in(soak, seconds))
    if not late:
        return None
    rate = sum(soak.samples.ended.get(second, 0) for second in seconds) / len(seconds)
    return Seconds(len(seconds), rate, percentile(late, 0.5), percentile(late, 0.99))


def _late_in(soak: Soak, seconds: Sequence[int]) -> Iterator[float]:
    for second in seconds:
        yield from soak.samples.late.get(second, ())
