"""A sparkline: a small row of bars beside a number. The number itself stands beside it as text."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from duebook_api.console.pages.svg.elements import number, path, svg

_WIDTH, _HEIGHT = 80, 20


def sparkline(values: Sequence[int], role: str, title: str) -> Markup:
    """The bars of the values, oldest first; a value of 0 is a dot on the ground line.

    All bars are one element, as are all dots: a page has hundreds of each.
    """
    step = _WIDTH / max(1, len(values))
    drawn = [path(" ".join(_dots(values, step)), "axis"), path(" ".join(_bars(values, step)), f"fill-{role}")]
    return svg(title, _WIDTH, _HEIGHT, "sparkline", drawn, fixed=True)


def _dots(values: Sequence[int], step: float) -> Iterator[str]:
    for n, value in enumerate(values):
        if not value:
            yield f"M{number(n * step)} {_HEIGHT - 0.5}h{number(step * 0.6)}"


def _bars(values: Sequence[int], step: float) -> Iterator[str]:
    width, highest = number(max(0.8, step - min(1.5, step * 0.3))), max([1, *values])
    for n, value in enumerate(values):
        if value:
            height = max(1.0, value / highest * (_HEIGHT - 1))
            yield f"M{number(n * step)} {_HEIGHT}v-{number(height)}h{width}V{_HEIGHT}z"
