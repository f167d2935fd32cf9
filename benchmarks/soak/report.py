"""The table of a soak: each series with its mean and slope, and lateness while a period leaves and while none does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.table import Table

from benchmarks.soak.samples import Samples
from benchmarks.soak.slopes import block_means, slope

_UNITS = (("table ", "MiB"), ("memory ", "MiB"), ("CPU ", "% of a core"), ("lateness ", "ms"))
_NAMED_UNITS = {"hot tables": "MiB", "database without lines": "MiB", "lines for ever": "MiB", "feed horizon": "s"}
_BY_DESIGN = {"lines for ever", "lines", "archives"}  # they count what has left
_SMALL = 1.0  # MiB: a table that takes less is not listed
_SETTLE = 2  # seconds around the begin or end of an archive that count as neither


@dataclass(frozen=True)
class Soak:
    """A whole soak: its samples, when periods left, and how long a period and the begin are, all in seconds."""

    samples: Samples
    archiving: Sequence[Sequence[float]]
    period: float
    steady_from: float


def table(soak: Soak, title: str) -> Table:
    """One row for each series, over the steady part."""
    found = Table("", "mean", "min", "max", "slope an hour, 95 %", "", title=title)
    for name, values in soak.samples.series.items():
        steady = [each for at, each in zip(soak.samples.at, values, strict=True) if at > soak.steady_from]
        if steady and not (name.startswith("table ") and max(steady) < _SMALL):
            cells = (_number(fmean(steady)), _number(min(steady)), _number(max(steady)))
            found.add_row(f"{name}, {unit(name)}".removesuffix(", "), *cells, *_slope_cells(soak, name))
    return found


def unit(name: str) -> str:
    return _NAMED_UNITS.get(name) or next((unit for prefix, unit in _UNITS if name.startswith(prefix)), "")


def slopes_found(soak: Soak) -> list[str]:
    """The series that grow or shrink although they should not."""
    return [name for name in soak.samples.series if _slope_cells(soak, name)[1] == "SLOPE"]


def _slope_cells(soak: Soak, name: str) -> tuple[str, str]:
    blocks = block_means(soak.samples.at, soak.samples.series[name], soak.steady_from, soak.period)
    found = slope(blocks)
    if found is None:
        return "too short", ""
    says = f"{_number(found.per_hour, sign=True)} ± {_number(found.uncertainty)}"
    return says, "by design" if name in _BY_DESIGN else "SLOPE" if found.found else "none"


def _number(value: float, *, sign: bool = False) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:{'+' if sign else ''},.{digits}f}"


@dataclass(frozen=True)
class Stretches:
    """All seconds of one kind: how many runs ended in one, and how late those were that were due in one, in ms."""

    seconds: int
    rate: float
    p50: float
    p99: float


def beside(soak: Soak) -> tuple[Stretches, Stretches]:
    """The seconds in which a period left, and those in which none did."""
    first, last = int(soak.samples.at[0]), int(soak.samples.at[-1]) - 15  # the last runs have not been seen ended
    kinds: dict[bool, list[int]] = {True: [], False: []}
    for second in range(first, last):
        if (kind := _archives(soak.archiving, second)) is not None:
            kinds[kind].append(second)
    return _stretches(soak, kinds[True]), _stretches(soak, kinds[False])


def _archives(archiving: Sequence[Sequence[float]], second: int) -> bool | None:
    """Whether a period leaves in the whole second; None in between."""
    for begin, end in archiving:
        if begin <= second and second + 1 <= end:
            return True
        if begin - _SETTLE <= second <= end + _SETTLE:
            return None
    return False


def _stretches(soak: Soak, seconds: Sequence[int]) -> Stretches:
    late = sorted(_late_in(soak, seconds))
    if not late:
        return Stretches(len(seconds), 0, 0, 0)
    p99 = late[min(len(late) - 1, int(len(late) * 0.99))]
    rate = sum(soak.samples.ended.get(second, 0) for second in seconds) / len(seconds)
    return Stretches(len(seconds), rate, late[len(late) // 2], p99)


def _late_in(soak: Soak, seconds: Sequence[int]) -> Iterator[float]:
    for second in seconds:
        yield from soak.samples.late.get(second, ())
