"""The ledger calendar: a year of days, each a square that says what became of its nominal times.

A day's square has the look of what most of its past times came to; a mark says that some of them did not succeed. Days
to come are outlined, days without a nominal time are dots. A new job has the calendar of a year too, so that all have
one size.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from markupsafe import Markup

from duebook_api.console.pages.markup import fill
from duebook_api.console.pages.status import look
from duebook_api.console.pages.svg.elements import number, path, rect, svg, text

Days = Mapping[date, Counter[str]]
_STEP, _CELL, _LEFT, _TOP = 20, 16, 38, 20
_WEEK, _WEEKS = timedelta(days=7), 53
_SHADES = 4
_WORST = ("unaccounted", "dead_lettered", "retrying")
_WEEKDAYS = ((0, "Mon"), (2, "Wed"), (4, "Fri"))
UPCOMING = "upcoming"


def calendar(days: Days, first: date, last: date, today: date, link: str) -> Markup:
    """The days from `first` to `last`; `link` is the path of a day, to which its date is added."""
    end = last - timedelta(days=last.weekday())
    start = min(first - timedelta(days=first.weekday()), end - (_WEEKS - 1) * _WEEK)
    weeks = (last - start).days // 7 + 1
    most = max([1, *(_past(day).total() for day in days.values())])
    content = [
        *(text(0, _TOP + row * _STEP + 12, name) for row, name in _WEEKDAYS),
        *_months(start, weeks),
        *(_day(start, day, days.get(day, Counter()), most, link) for day in _dates(start, last)),
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


def _day(start: date, day: date, outcomes: Counter[str], most: int, link: str) -> Markup:
    x, y = _position(start, day)
    if not outcomes:
        return rect(x + _CELL / 2 - 1, y + _CELL / 2 - 1, 2, 2, "dot-day", radius=1)
    title = f"{day:%a} {day.day} {day:%b %Y}: {day_words(outcomes)}"
    css = day_look(outcomes, most)
    square = rect(x + 0.5, y + 0.5, _CELL - 1, _CELL - 1, css, title, 3)
    template = '<a href="{}{}" tabindex="-1" aria-label="{}">{}{}</a>'
    return fill(template, link, day.isoformat(), title, square, _mark(x, y, outcomes))


def day_look(outcomes: Counter[str], most: int) -> str:
    """The class of the square: the role of what most past times came to, and how many there were as a shade."""
    past = _past(outcomes)
    if not past:
        return "day outlined"
    main = max(past, key=lambda status: (past[status], status in _WORST))
    shade = -(-past.total() * _SHADES // most)
    return f"day fill-{look(main).role} shade-{shade}"


def _past(outcomes: Counter[str]) -> Counter[str]:
    return Counter({status: count for status, count in outcomes.items() if status != UPCOMING})


def _mark(x: float, y: float, outcomes: Counter[str]) -> Markup:
    """A cross where a time ended as a dead letter or is not accounted for; a corner where only some of many did."""
    failed = sum(outcomes[status] for status in _WORST[:2])
    if not failed:
        return Markup()
    if failed * 2 >= _past(outcomes).total():
        return path(f"M{number(x + 5)} {number(y + 5)}l6 6m0-6l-6 6", "mark")
    return path(f"M{number(x + 15.5)} {number(y + 7)}v8.5h-8.5z", "fill-dead")


def _now(start: date, today: date) -> Markup:
    x, y = _position(start, today)
    return rect(x - 1, y - 1, _CELL + 2, _CELL + 2, "today", radius=4)


def day_words(outcomes: Counter[str]) -> str:
    """Like `3 succeeded, 1 dead letter`."""
    return ", ".join(f"{count:,} {look(status).word}" for status, count in outcomes.most_common())


def notable(days: Days) -> Sequence[tuple[date, str]]:
    """The days on which not all succeeded, newest first, as the table beside the drawing says them."""
    plain = {"succeeded", UPCOMING}
    return [(day, day_words(outcomes)) for day, outcomes in sorted(days.items(), reverse=True) if set(outcomes) - plain]
