"""The table of a soak: each series with its mean, its slope, and what may be concluded; and whether the soak failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.table import Table

from benchmarks.soak.samples import Samples
from benchmarks.soak.slopes import Finding, Slope, block_means, slope

_UNITS = (("table ", "MiB"), ("memory ", "MiB"), ("CPU ", "% of a core"), ("lateness ", "ms"))
_NAMED_UNITS = {"hot tables": "MiB", "database without lines": "MiB", "lines for ever": "MiB", "feed horizon": "s"}
# What has left, and the minutes of statistics, which are kept for three days: a shorter soak sees them grow.
_BY_DESIGN = {"lines for ever", "lines", "archives", "table statistics"}
_SMALL = 1.0  # MiB: a table that takes less is not listed


@dataclass
class Soak:
    """A whole soak: its samples, when periods left, and how long a period and the begin are, all in seconds.

    Then what was created, and what `duebook verify` found; None is not known.
    """

    samples: Samples
    archiving: Sequence[Sequence[float]]
    period: float
    steady_from: float
    created: int | None = None
    lost: int | None = None
    posts: Sequence[Sequence[float]] = ()
    verified: bool | None = None


def table(soak: Soak, title: str) -> Table:
    """One row for each series, over the steady part."""
    found = Table("", "mean", "min", "max", "slope an hour", "r", "halves", "least found, h; day", "", title=title)
    slopes = slopes_of(soak)
    for name in _shown(soak):
        values = _steady(soak, name)
        cells = (number(fmean(values)), number(min(values)), number(max(values)))
        found.add_row(
            f"{name}, {unit(name)}".removesuffix(", "),
            *cells,
            *_slope_cells(slopes[name]),
            _finding(name, slopes[name]),
        )
    return found


def unit(name: str) -> str:
    return _NAMED_UNITS.get(name) or next((unit for prefix, unit in _UNITS if name.startswith(prefix)), "")


def slopes_of(soak: Soak) -> dict[str, Slope | None]:
    """The slope of each series that is shown. Those that grow by design are not among those that are tested."""
    count = max(1, examined(soak))
    return {name: slope(_blocks(soak, name), count) for name in _shown(soak)}


def examined(soak: Soak) -> int:
    """The number of series that should not grow."""
    return sum(name not in _BY_DESIGN for name in _shown(soak))


def _finding(name: str, found: Slope | None) -> str:
    return "by design" if name in _BY_DESIGN else found.finding.value if found else ""


def slopes_found(soak: Soak) -> dict[str, Slope]:
    """The series that grow or shrink although they should not."""
    found = {name: each for name, each in slopes_of(soak).items() if name not in _BY_DESIGN}
    return {name: each for name, each in found.items() if each and each.finding is Finding.SLOPE}


def failures(soak: Soak) -> list[str]:
    """Why the soak failed, one sentence for each reason."""
    found = [f"SLOPE of {name}: {_says(each)} {unit(name)} an hour, in the halves {_halves(each)}"
             for name, each in slopes_found(soak).items()]  # fmt: skip
    if soak.verified is False:
        found.append("duebook verify, or duebook archive verify, found something")
    if soak.lost:
        found.append(f"{soak.lost} requests had no answer, or one that says to come back later")
    return found


def _shown(soak: Soak) -> list[str]:
    steady = {name: _steady(soak, name) for name in soak.samples.series}
    return [
        name for name, values in steady.items() if values and not (name.startswith("table ") and max(values) < _SMALL)
    ]


def _steady(soak: Soak, name: str) -> list[float]:
    return [each for at, each in zip(soak.samples.at, soak.samples.series[name], strict=True) if at > soak.steady_from]


def _blocks(soak: Soak, name: str) -> list[tuple[float, float]]:
    return block_means(soak.samples.at, soak.samples.series[name], soak.steady_from, soak.period)


def _slope_cells(found: Slope | None) -> tuple[str, str, str, str]:
    if found is None:
        return "too short", "", "", ""
    return _says(found), f"{found.r:+.2f}", _halves(found), f"{number(found.least)}; {number(24 * found.least)}"


def _says(found: Slope) -> str:
    return f"{number(found.per_hour, sign=True)} ± {number(found.uncertainty)}"


def _halves(found: Slope) -> str:
    return ", ".join(number(each, sign=True) for each in found.halves)


def number(value: float, *, sign: bool = False) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:{'+' if sign else ''},.{digits}f}"
