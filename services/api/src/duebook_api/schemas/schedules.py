"""What a request may say of a schedule: its recurrence, and a schedule by itself that is to be previewed."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from duebook_api.http.fields import Body, Instant, MaxRuns, OmittableInstant, Positive, ReadAs, Zone, one_of
from duebook_api.http.problems import Fault, invalid
from duebook_common.domain.definition import Cron, Definition, Dst, Every, Recurrence, Rrule
from duebook_common.domain.schedule import cron, rrule
from duebook_common.domain.schedule.nominal import next_after
from duebook_common.runtime.durations import Duration
from duebook_common.runtime.quoting import quoted
from duebook_common.store.codec import rfc3339

_WORDS = ("none", "daily", "weekly")
_KINDS = ("cron", "every", "rrule")
_OBJECTS = '{"cron": "0 2 * * *"}, {"every": "PT15M"} or {"rrule": "FREQ=MONTHLY;BYDAY=-1FR"}'
_SHAPES = f"this version knows {', '.join(_WORDS)}, {_OBJECTS}"
_SHORTEST = timedelta(seconds=1)
_UNTIL = re.compile(r";UNTIL=[^;]*|UNTIL=[^;]*;", re.IGNORECASE)


def _fires(value: Any) -> str:
    if isinstance(value, str):
        cron.parse(value)
        return value
    raise ValueError(f'{quoted(value)} is no cron expression; write it like "0 2 * * 1-5"')


def _is_rule(value: Any) -> str:
    if isinstance(value, str):
        rrule.parse(value)
        return value
    raise ValueError(
        f'{quoted(value)} is no rule; write it like "FREQ=MONTHLY;BYDAY=-1FR", for several make several jobs'
    )


def _at_least_a_second(value: timedelta) -> timedelta:
    if value < _SHORTEST:
        raise ValueError("an interval is PT1S at least")
    return value


class RecurrenceBody(Body):
    """A word, or an object of one member."""

    word: str = Field("none", exclude=True)
    cron: Annotated[str, BeforeValidator(_fires)] = ""
    every: Annotated[Duration, AfterValidator(_at_least_a_second)] = timedelta(0)
    rrule: Annotated[str, BeforeValidator(_is_rule)] = ""

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, value: Any) -> Any:
        if isinstance(value, str) and value in _WORDS:
            return {"word": value}
        named = list(value) if isinstance(value, dict) else []
        if len(named) == 1 and named[0] in _KINDS:
            return value
        wrong = [name for name in named if name not in _KINDS]
        told = f"{quoted(wrong[0] if wrong else value)} is no recurrence"
        raise ValueError(f"{'there is one kind at a time' if len(named) > 1 and not wrong else told}; {_SHAPES}")

    def recurrence(self) -> Recurrence:
        if self.cron:
            return Cron(self.cron)
        if self.rrule:
            return Rrule(self.rrule)
        return Every(self.every) if self.every else self.word  # type: ignore[return-value]


RecurrenceField = Annotated[
    Recurrence,
    ReadAs(RecurrenceBody, RecurrenceBody.recurrence),
    WithJsonSchema(
        {
            "oneOf": [
                {"enum": list(_WORDS)},
                *(
                    {"type": "object", "required": [k], "properties": {k: {"type": "string"}}, "maxProperties": 1}
                    for k in _KINDS
                ),
            ]
        }
    ),
]


class DstBody(Body):
    gap: Annotated[Literal["run_after", "skip"], one_of("run_after", "skip")] = "run_after"
    fold: Annotated[Literal["first", "second", "both"], one_of("first", "second", "both")] = "first"


class ScheduleFields(Body):
    """The fields of a job that make its schedule."""

    scheduled_at: OmittableInstant = None
    recurrence: RecurrenceField = "none"
    timezone: Zone = "UTC"
    dst: Annotated[Dst, ReadAs(DstBody)] = Dst()
    ends_at: Instant | None = None
    max_runs: MaxRuns | None = None
    jitter: Positive | None = None


class PreviewBody(ScheduleFields):
    """A job's schedule fields, without the job."""

    after: OmittableInstant = None
    count: int = Field(10, ge=1, le=1000)

    def definition(self, now: datetime) -> Definition:
        """A job with that schedule; without `scheduled_at` it starts at `after`, or else `now`."""
        schedule = {name: getattr(self, name) for name in ScheduleFields.model_fields}
        return Definition(name="preview", **schedule | {"scheduled_at": self.scheduled_at or self.after or now})


def must_name_a_time(definition: Definition, root: str = "") -> None:
    """Raise Problem 422 where the schedule names no time at all."""
    endless = replace(definition, ends_at=None)
    bounded = definition.ends_at is not None or isinstance(definition.recurrence, Rrule)
    if not bounded or next_after(definition, None) is not None:
        return
    if definition.ends_at is not None and definition.ends_at < definition.scheduled_at:
        raise invalid(Fault(f"{root}/ends_at", "this lies before scheduled_at, so the job would never run"))
    if isinstance(definition.recurrence, Rrule) and next_after(endless, None) is None:
        raise invalid(Fault(f"{root}/recurrence/rrule", _why_never(endless, definition.recurrence.rrule)))
    raise invalid(Fault(f"{root}/ends_at", "the recurrence names no time from scheduled_at until then"))


def _why_never(definition: Definition, text: str) -> str:
    unended = replace(definition, recurrence=Rrule(_UNTIL.sub("", text)))
    first = next_after(unended, None) if _UNTIL.search(text) else None
    if first is not None:
        return f"UNTIL lies before {rfc3339(first)}, the first time that the rule names from scheduled_at on"
    return f"{text[:200]!r} never fires: in four hundred years from scheduled_at no such time comes"
