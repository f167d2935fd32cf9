"""Describes a cron expression in English."""

from calendar import day_name, month_name
from collections.abc import Sequence
from typing import NamedTuple

from duebook_api.schedules.phrases import clock, listed, ordinal, runs
from duebook_common.domain.schedule import cron
from duebook_common.domain.schedule.cron import Expression

_MAX_LISTED_TIMES = 8


class _Unit(NamedTuple):
    """The seconds, minutes or hours of an expression; `size` is their number in the next longer unit."""

    name: str
    size: int
    values: Sequence[int]

    @property
    def is_all(self) -> bool:
        return len(self.values) == self.size

    @property
    def step(self) -> int | None:
        """The interval, if the values divide the longer unit into equal parts from its start on."""
        step = self.size // len(self.values)
        return step if len(self.values) > 1 and list(self.values) == list(range(0, self.size, step)) else None

    @property
    def numbers(self) -> str:
        return f"{self.name} {listed(runs(self.values))}"


def cron_text(text: str) -> str:
    """The expression in English, such as "At 02:00 on Monday through Friday"."""
    expression = cron.parse(text)
    times, days = _times(expression), day_phrase(expression)
    if not days and times.startswith("At ") and ":" in times:
        days = "every day"
    months = "" if len(expression.months) == 12 else f"in {listed(runs(expression.months, month_name.__getitem__))}"
    return " ".join(filter(None, [times, days, months]))


def _times(expression: Expression) -> str:
    second, minute, hour = units = _units(expression)
    if not hour.is_all and not minute.is_all and len(expression.minutes) * len(second.values) <= _MAX_LISTED_TIMES:
        return f"At {listed(clock(h, m, s) for h in hour.values for m in minute.values for s in second.values)}"
    finest, *longer = units if list(second.values) != [0] else units[1:]
    text, finer = _finest(finest), finest
    for unit in longer:
        # "of every hour" goes without saying after "every minute" and after "every 15 minutes".
        is_implied = unit.is_all and (finer.is_all or (finer is finest and finer.step is not None))
        text, finer = text if is_implied else f"{text} of {_longer(unit)}", unit
    return text


def _units(expression: Expression) -> list[_Unit]:
    """Seconds, minutes and hours."""
    hours = sorted({seconds // 3600 for seconds in expression.minutes})
    minutes = sorted({seconds // 60 % 60 for seconds in expression.minutes})
    return [_Unit("second", 60, expression.seconds), _Unit("minute", 60, minutes), _Unit("hour", 24, hours)]


def _finest(unit: _Unit) -> str:
    if unit.is_all:
        return f"Every {unit.name}"
    return f"Every {unit.step} {unit.name}s" if unit.step is not None else f"At {unit.numbers}"


def _longer(unit: _Unit) -> str:
    if unit.is_all:
        return f"every {unit.name}"
    return f"every {ordinal(unit.step)} {unit.name} (from 0)" if unit.step is not None else unit.numbers


def day_phrase(expression: Expression) -> str:
    """The days, an empty text for every day."""
    month_days, weekdays = _month_days(expression), _weekdays(expression)
    if expression.day_or_weekday:
        return f"on {month_days} or on {weekdays}" if month_days and weekdays else ""
    if month_days and weekdays:
        return f"on {weekdays} if that is {_month_days(expression, 'or')}"
    return f"on {month_days or weekdays}" if month_days or weekdays else ""


def is_restricted_twice(expression: Expression) -> bool:
    """Whether both the day of month and the day of week leave out days."""
    return bool(_month_days(expression) and _weekdays(expression))


def _month_days(expression: Expression, conjunction: str = "and") -> str:
    if len(expression.days) == 31:
        return ""
    days = [*runs(expression.days, ordinal), *(["last"] if expression.last_day else [])]
    return f"the {listed(days, conjunction)} day of the month"


def _weekdays(expression: Expression) -> str:
    if len(expression.weekdays) == 7:
        return ""
    names = list(runs(((weekday - 1) % 7 for weekday in expression.weekdays), day_name.__getitem__))
    numbered = sorted(expression.nth_weekdays, key=lambda each: (each[1] < 0, each[1], each[0]))
    return listed(names + [f"the {ordinal(n)} {day_name[(day - 1) % 7]} of the month" for day, n in numbered])
