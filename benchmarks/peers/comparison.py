"""Rates of Duebook and its peers, and the ratios between them; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Span:
    """A time from `began` to `ended`, in seconds since 1970."""

    began: float
    ended: float

    def rate(self, count: int) -> float:
        """Tasks per second. Raises ValueError if no time has passed: then the measurement is wrong."""
        if self.ended <= self.began:
            raise ValueError(f"{count} tasks took {self.ended - self.began:.6f} s")
        return count / (self.ended - self.began)


class Rates(NamedTuple):
    """Tasks per second: submitted one by one by one client, and submitted and run."""

    one_by_one: float
    run: float


class TableRow(NamedTuple):
    """A line of the table."""

    name: str
    run: str
    run_ratio: str
    one_by_one: str
    one_by_one_ratio: str
    settings: str


def middle(rounds: Sequence[Rates]) -> Rates:
    """The median of each rate."""
    return Rates(median(each.one_by_one for each in rounds), median(each.run for each in rounds))


def rows(ours: Sequence[Rates], peers: Mapping[str, Sequence[Rates]], settings: Mapping[str, str]) -> list[TableRow]:
    """Duebook's row, then one for each peer, with Duebook's rate as a multiple of the peer's.

    A peer's ratio is that of the medians. A peer without rounds was not measured; its settings say why.
    """
    own = middle(ours)
    first = TableRow("Duebook", f"{own.run:,.0f}", "", f"{own.one_by_one:,.0f}", "", settings["Duebook"])
    return [first, *(_row(name, own, rounds, settings[name]) for name, rounds in peers.items())]


def _row(name: str, own: Rates, rounds: Sequence[Rates], settings: str) -> TableRow:
    if not rounds:
        return TableRow(name, "-", "-", "-", "-", settings)
    peer = middle(rounds)
    ratios = own.run / peer.run, own.one_by_one / peer.one_by_one
    return TableRow(
        name, f"{peer.run:,.0f}", f"{ratios[0]:.2f}", f"{peer.one_by_one:,.0f}", f"{ratios[1]:.2f}", settings
    )
