"""The picture of a soak: small panels over the same hour, shaded where a period left the database."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.soak.report import Soak
from duebook_devstack.services import PORTS

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _RIGHT = 440, 170, 52, 34, 22, 12
_COLUMNS = 2
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #5d6168 } .title { font-weight: 600; fill: #1c1d1f }
.page { fill: #fbfbfa } .panel { fill: #ffffff; stroke: #e6e6e3 } .grid { stroke: #e6e6e3 } .leaves { fill: #e6ebf8 }
path { fill: none; stroke-width: 1.5 } .a { stroke: #2f5bd3 } .b { stroke: #3d7f6e } .c { stroke: #b7791f }
.d { stroke: #7a6ff0 } text.a { fill: #2f5bd3; stroke: none } text.b { fill: #3d7f6e; stroke: none }
text.c { fill: #b7791f; stroke: none } text.d { fill: #7a6ff0; stroke: none }
"""


@dataclass(frozen=True)
class Panel:
    """A title, and up to four series with the word for each."""

    title: str
    series: tuple[tuple[str, str], ...]


PANELS = (
    Panel("Tables with what leaves, MiB", (("hot tables", "all"), ("table events", "events"), ("table runs", "runs"))),
    Panel("Lateness, ms", (("lateness p99", "p99"), ("lateness p50", "p50"))),
    Panel("Memory of services, MiB", tuple((f"memory {name}", name) for name in PORTS)),
    Panel("Memory of servers, MiB", tuple((f"memory {name}", name) for name in ("postgres", "rabbitmq", "redis"))),
    Panel("Dead rows", (("dead", "rows"),)),
    Panel("Lines for ever, MiB", (("lines for ever", "lines"),)),
)  # fmt: skip


def picture(soak: Soak, title: str) -> str:
    """An SVG file."""
    rows = math.ceil(len(PANELS) / _COLUMNS)
    width, height = _COLUMNS * (_WIDTH + 12) + 12, rows * (_HEIGHT + 12) + 12
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
             f"<title>{escape(title)}</title><style>{_STYLE}</style>",
             f'<rect class="page" width="{width}" height="{height}"/>']  # fmt: skip
    for n, panel in enumerate(PANELS):
        x, y = 12 + n % _COLUMNS * (_WIDTH + 12), 12 + n // _COLUMNS * (_HEIGHT + 12)
        parts += [f'<g transform="translate({x} {y})">', *_panel(soak, panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(soak: Soak, panel: Panel) -> Iterator[str]:
    known = [(name, word) for name, word in panel.series if name in soak.samples.series]
    values = [value for name, _ in known for value in soak.samples.series[name]]
    top, end = nice_top(max([1.0, *values])), max(soak.samples.at)
    yield f'<rect class="panel" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
    yield f'<text class="title" x="12" y="20">{escape(panel.title)}</text>'
    for begin, stop in soak.archiving:
        x, wide = _x(begin, end), max(1.0, _x(stop, end) - _x(begin, end))
        yield f'<rect class="leaves" x="{x:.1f}" y="{_TOP}" width="{wide:.1f}" height="{_y(0, top) - _TOP:.1f}"/>'
    yield from _axes(top, end)
    for n, (name, word) in enumerate(known):
        points = zip(soak.samples.at, soak.samples.series[name], strict=True)
        line = " ".join(f"{_x(at, end):.1f},{_y(value, top):.1f}" for at, value in points)
        yield f'<path class="{"abcd"[n]}" d="M{line}"/>'
        yield f'<text class="{"abcd"[n]}" x="{_WIDTH - 12 - 72 * n}" y="20" text-anchor="end">{escape(word)}</text>'


def _axes(top: float, end: float) -> Iterator[str]:
    for value in (0, top / 2, top):
        y = _y(value, top)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.{0 if top >= 2 else 1}f}</text>'
    for quarter in range(5):
        at = end * quarter / 4
        anchor = ("start", "middle", "middle", "middle", "end")[quarter]
        yield f'<text x="{_x(at, end):.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{at / 60:.0f} min</text>'


def _x(at: float, end: float) -> float:
    return _LEFT + at / end * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, top: float) -> float:
    return _TOP + (1 - value / top) * (_HEIGHT - _TOP - _BOTTOM)


def nice_top(value: float) -> float:
    """The least of 1, 2, 4, 5, 8, 10, 20, … that is not below the value."""
    step = 10 ** math.floor(math.log10(value))
    return next(float(n * step) for n in (1, 2, 4, 5, 8, 10) if n * step >= value)
