"""Notes on what may surprise in a cron expression."""

from collections.abc import Iterator

from duebook_api.schedules.cron_text import is_restricted_twice
from duebook_common.domain.schedule import cron

_EITHER = (
    "Day of month and day of week are both given, and either is enough. For days that meet both write a rule, such as "
    '{"rrule": "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR"}'
)
_BOTH = "A day must meet both day of month and day of week, because one of them begins with *"
# Of the six fields: the full ranges, their sizes, what a step counts, and what counts without starting anew.
_STEPS = (
    ({"*", "0-59"}, 60, "seconds anew in each minute", '{"every": "PT…S"}'),
    ({"*", "0-59"}, 60, "minutes anew in each hour", '{"every": "PT…M"}'),
    ({"*", "0-23"}, 24, "hours anew in each day", '{"every": "PT…H"}'),
    ({"*", "1-31"}, None, "days anew in each month", '{"rrule": "FREQ=DAILY;INTERVAL=…"}'),
    ({"*", "1-12"}, 12, "months anew in each year", '{"rrule": "FREQ=MONTHLY;INTERVAL=…"}'),
    ({"*", "0-6"}, 7, "days anew in each week", '{"rrule": "FREQ=DAILY;INTERVAL=…"}'),
)


def cron_notes(text: str) -> Iterator[str]:
    """Whether either of two days is enough, and steps that do not divide the field."""
    expression = cron.parse(text)
    if is_restricted_twice(expression):
        yield _EITHER if expression.day_or_weekday else _BOTH
    for field, (spans, size, counted, even) in zip(cron.fields(text), _STEPS, strict=True):
        for item in dict.fromkeys(field.split(",")):
            span, _, step = item.partition("/")
            if span in spans and step and int(step) > 1 and (size is None or size % int(step)):
                instead = even.replace("…", str(int(step)))
                yield f"{item} counts {counted}, so the last interval is shorter; for equal ones write {instead}"
