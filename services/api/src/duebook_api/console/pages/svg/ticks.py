"""Ticks: the last outcomes of a job, oldest first, each a bar; failures are taller, and what did not run is hollow."""

from collections.abc import Sequence

from markupsafe import Markup

from duebook_api.console.pages.status import look
from duebook_api.console.pages.svg.elements import rect, svg

_STEP, _BAR, _HEIGHT = 6, 4, 18
_TALL = {"dead": 18, "retrying": 15, "running": 12, "waiting": 9, "skipped": 9, "soft": 9, "succeeded": 12}
MOST = 20


def ticks(outcomes: Sequence[tuple[str, str]]) -> Markup:
    """The outcomes as (status, title), at most the last twenty; bars begin at the right."""
    shown = outcomes[-MOST:]
    start = (MOST - len(shown)) * _STEP
    bars = [_tick(start + n * _STEP, status, title) for n, (status, title) in enumerate(shown)]
    return svg(summary([status for status, _ in shown]), MOST * _STEP, _HEIGHT, "ticks", bars, fixed=True)


def _tick(x: float, status: str, title: str) -> Markup:
    role = look(status).role
    height = _TALL.get(role, 9)
    return rect(x + 0.5, _HEIGHT - height, _BAR, height - 0.5, f"fill-{role}", title, 1)


def summary(statuses: Sequence[str]) -> str:
    """Like `last 20 outcomes: 18 succeeded, 2 dead letter`."""
    if not statuses:
        return "no outcome yet"
    words = [look(status).word for status in statuses]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    return f"last {len(words)} outcomes: {counts}"
