"""The axes of a drawing of numbers over time, and the lines of its grid."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from markupsafe import Markup

from duebook_api.console.pages.svg.elements import line, text

TOP, BOTTOM = 24, 22  # above and below the plot


class Axes(NamedTuple):
    """The scales of both axes; `top` is the number at the upper edge. The plot begins at `left`."""

    start: datetime
    end: datetime
    top: int
    left: int
    width: int
    height: int

    def x(self, at: datetime) -> float:
        return self.left + (at - self.start) / (self.end - self.start) * (self.width - self.left)

    def y(self, number: float) -> float:
        return TOP + (self.height - TOP - BOTTOM) * (1 - number / self.top)

    def grid(self) -> Iterator[Markup]:
        for number in (0, self.top // 2, self.top):
            y = round(self.y(number)) + 0.5
            yield line(self.left, y, self.width, y, "grid")
            yield text(self.left - 8, y + 4, f"{number:,}", "end")


def nice_top(highest: float) -> int:
    """The first of 2, 4, 10, 20, 40, 100, … that is not below the highest value; it can be halved."""
    scale = 1
    while True:
        for factor in (2, 4, 10):
            if highest <= factor * scale:
                return factor * scale
        scale *= 10
