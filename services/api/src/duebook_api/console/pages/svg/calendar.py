"""The ledger calendar: a year of days, each a square that says what became of its nominal times.

A day's square has the look of what most of its past times came to. A dead letter, a success after retries and one that
was caught up late have a glyph in the square if they are most of the day, else a corner of their own. Days to come are
outlined, days without a nominal time are dots. A new job has the calendar of a year too, so that all have one size.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from markupsafe import Markup

from duebook_api.console.pages.markup import fill
from duebook_api.console.pages.status import look
from duebook_api.console.pages.svg.elements import number, path, rect, svg, text


class Day(NamedTuple):
    """The outcomes of a day's times, and how many of these succeeded after retries or were caught up late."""

    outcomes: Counter[str]
    retried: int = 0
    caught_up: int = 0


Days = Mapping[date, Day]
_STEP, _CELL, _LEFT, _TOP = 20, 16, 38, 20
_WEEK, _WEEKS = timedelta(days=7), 53
_SHADES = 4
_FAILED = ("unaccounted", "dead_lettered")
_WORST = (*_FAILED, "retrying")
_WEEKDAYS = ((0, "Mon"), (2, "Wed"), (4, "Fri"))
UPCOMING, RETRIED, CAUGHT_UP = "upcoming", "retried", "caught_up"
_MARKS = {"unaccounted": "fill-dead", "dead_lettered": "fill-dead", RETRIED: "retried", CAUGHT_UP: "caught-up"}
# The corner of a mark that concerns some of the times, each at an edge of its own: its form says what its colour says.
_CORNERS = {"failed": (15.5, 7, "v8.5h-8.5z"), RETRIED: (0.5, 9, "v6.5h6.5z"), CAUGHT_UP: (0.5, 0.5, "h6.5l-6.5 6.5z")}


def calendar(days: Days, first: date, last: date, today: date, link: str) -> Markup:
    """The days from `first` to `last`; `link` is the path of a day, to which its date is added."""
    end = last - timedelta(days=last.weekday())
    start = min(first - timedelta(days=first.weekday()), end - (_WEEKS - 1) * _WEEK)
    weeks = (last - start).days // 7 + 1
    most = max([1, *(_past(day.outcomes).total() for day in days.values())])
    content = [
        *(text(0, _TOP + row * _STEP + 12, name) for row, name in _WEEKDAYS),
        *_months(start, weeks),
        *(_day(start, day, days.get(day, Day(Counter())), most, link) for day in _dates(start, last)),
    ]
    width, height = _LEFT + weeks * _STEP, _TOP + 7 * _STEP
    if start <= today <= last:
        content.append(_now(start, today))
    return svg(
        f"What became of each day from {first} to {last}", width, height, "drawing calendar", content, role="group"
    )


def _dates(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _months(start: date, weeks: int) -> Iterator[Markup]:
    """The name of each month above the first week that begins in it; not so near the edge that it is cut off."""
    shown = start - _WEEK
    for week in range(weeks - 1):
        monday = start + week * _WEEK
        if monday.month != shown.month:
            yield text(_LEFT + week * _STEP, 10, f"{monday:%b}")
        shown = monday


def _position(start: date, day: date) -> tuple[float, float]:
    return _LEFT + (day - start).days // 7 * _STEP, _TOP + day.weekday() * _STEP


def _day(start: date, on: date, day: Day, most: int, link: str) -> Markup:
    x, y = _position(start, on)
    if not day.outcomes:
        return rect(x + _CELL / 2 - 1, y + _CELL / 2 - 1, 2, 2, "dot-day", radius=1)
    title = f"{on:%a} {on.day} {on:%b %Y}: {day_words(day)}"
    square = rect(x + 0.5, y + 0.5, _CELL - 1, _CELL - 1, day_look(day, most), title, 3)
    template = '<a href="{}{}" tabindex="-1" aria-label="{}">{}{}</a>'
    return fill(template, link, on.isoformat(), title, square, Markup().join(_marks(x, y, day)))


def day_look(day: Day, most: int) -> str:
    """The class of the square: the role of what most past times came to, and how many there were as a shade.

    A square with a glyph has its full colour, which the glyph stands out from.
    """
    past = _past(day.outcomes)
    if not past:
        return "day outlined"
    main = _main(day)
    if main in _MARKS:
        return f"day {_MARKS[main]}"
    return f"day fill-{look(main).role} shade-{-(-past.total() * _SHADES // most)}"


def _main(day: Day) -> str:
    """What most of the past times came to."""
    past = _past(day.outcomes)
    main = max(past, key=lambda status: (past[status], status in _WORST), default="")
    if main == "succeeded" and day.caught_up * 2 >= past.total():
        return CAUGHT_UP
    return RETRIED if main == "succeeded" and day.retried * 2 >= past.total() else main


def _past(outcomes: Counter[str]) -> Counter[str]:
    return Counter({status: count for status, count in outcomes.items() if status != UPCOMING})


def _marks(x: float, y: float, day: Day) -> Iterator[Markup]:
    """The glyph of what most times came to, and a corner for each mark that concerns some of them."""
    main = _main(day)
    if main in _MARKS:
        yield fill(
            '<path d="{}" class="mark" transform="translate({} {}) scale(.75)"/>',
            look(main).glyph,
            number(x + 2),
            number(y + 2),
        )
    failed = sum(day.outcomes[status] for status in _FAILED)
    if failed and main not in _FAILED:
        yield _corner(x, y, "failed", "fill-dead")
    if day.retried and main != RETRIED:
        yield _corner(x, y, RETRIED, "retried")
    if day.caught_up and main != CAUGHT_UP:
        yield _corner(x, y, CAUGHT_UP, "caught-up")


def _corner(x: float, y: float, name: str, css: str) -> Markup:
    right, down, shape = _CORNERS[name]
    return path(f"M{number(x + right)} {number(y + down)}{shape}", f"corner {css}")


def _now(start: date, today: date) -> Markup:
    x, y = _position(start, today)
    return rect(x - 1, y - 1, _CELL + 2, _CELL + 2, "today", radius=4)


def day_words(day: Day) -> str:
    """Like `3 succeeded, 1 dead letter; 2 after retries`."""
    outcomes = ", ".join(f"{count:,} {look(status).word}" for status, count in day.outcomes.most_common())
    marks = ((day.retried, RETRIED), (day.caught_up, CAUGHT_UP))
    return "; ".join([outcomes, *(f"{count:,} {look(name).word}" for count, name in marks if count)])


def notable(days: Days) -> Sequence[tuple[date, str]]:
    """The days on which not all succeeded at once and in time, newest first, for the table beside the drawing."""
    plain = {"succeeded", UPCOMING}
    return [
        (on, day_words(day))
        for on, day in sorted(days.items(), reverse=True)
        if set(day.outcomes) - plain or day.retried or day.caught_up
    ]
