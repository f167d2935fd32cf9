"""A sparkline: a small row of bars beside a number. The number itself stands beside it as text."""

from collections.abc import Sequence

from markupsafe import Markup

from duebook_api.console.pages.svg.elements import line, rect, svg

_WIDTH, _HEIGHT = 80, 20


def sparkline(values: Sequence[int], role: str, title: str) -> Markup:
    """The bars of the values, oldest first; a value of 0 is a dot on the ground line."""
    highest, step = max([1, *values]), _WIDTH / max(1, len(values))
    bars = [_bar(n * step, step, value / highest, role) for n, value in enumerate(values)]
    return svg(title, _WIDTH, _HEIGHT, "sparkline", bars, fixed=True)


def _bar(x: float, step: float, share: float, role: str) -> Markup:
    if share == 0:
        return line(x, _HEIGHT - 0.5, x + step * 0.6, _HEIGHT - 0.5, "axis")
    height = max(1.0, share * (_HEIGHT - 1))
    return rect(x, _HEIGHT - height, max(0.8, step - min(1.5, step * 0.3)), height, f"fill-{role}")
