"""Request schemas of schedules: the recurrence, the schedule fields of a job, and the body of a preview."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from duebook_api.http.fields import Body, Instant, MaxRuns, OmittableInstant, Positive, ReadAs, Zone, one_of
from duebook_common.domain.definition import Cron, Definition, Dst, Every, Recurrence, Rrule
from duebook_common.domain.schedule import cron, rrule
from duebook_common.domain.schedule.recurrence_hints import meant
from duebook_common.runtime.durations import Duration
from duebook_common.runtime.quoting import quoted

_WORDS = ("none", "daily", "weekly")
KINDS = ("cron", "every", "rrule")
_OBJECTS = '{"cron": "0 2 * * *"}, {"every": "PT15M"} or {"rrule": "FREQ=MONTHLY;BYDAY=-1FR"}'
_SHAPES = f"this version knows {', '.join(_WORDS)}, {_OBJECTS}"
_SHORTEST = timedelta(seconds=1)


def _cron_text(value: Any) -> str:
    if isinstance(value, str):
        cron.parse(value)
        return value
    raise ValueError(f'{quoted(value)} is not a cron expression; write it like "0 2 * * 1-5"')


def _rrule_text(value: Any) -> str:
    if isinstance(value, str):
        return _rule(value)
    raise ValueError(
        f'{quoted(value)} is not a rule; write it like "FREQ=MONTHLY;BYDAY=-1FR", and create one job for each rule'
    )


def _rule(text: str) -> str:
    try:
        rrule.parse(text)
    except rrule.RruleError:
        recurrence = meant(text)
        if recurrence is None or (isinstance(recurrence, dict) and "rrule" in recurrence):
            raise
        raise ValueError(f"{quoted(text)} is not a rule; write the recurrence {_json(recurrence)}") from None
    return text


def _json(recurrence: dict[str, str] | str) -> str:
    return json.dumps(recurrence, ensure_ascii=False)


def _at_least_a_second(value: timedelta) -> timedelta:
    if value < _SHORTEST:
        raise ValueError("an interval must be at least PT1S")
    return value


class RecurrenceBody(Body):
    """A word, or an object with one of the other members."""

    word: str = Field("none", exclude=True)
    cron: Annotated[str, BeforeValidator(_cron_text)] = ""
    every: Annotated[Duration, AfterValidator(_at_least_a_second)] = timedelta(0)
    rrule: Annotated[str, BeforeValidator(_rrule_text)] = ""

    @model_validator(mode="before")
    @classmethod
    def _word_or_object(cls, value: Any) -> Any:
        if isinstance(value, str) and value in _WORDS:
            return {"word": value}
        members = list(value) if isinstance(value, dict) else []
        if len(members) == 1 and members[0] in KINDS:
            return value
        raise ValueError(f"{cls._fault(value, members)}; {_SHAPES}")

    @staticmethod
    def _fault(value: Any, members: list[Any]) -> str:
        unknown = [name for name in members if name not in KINDS]
        if len(members) > 1 and not unknown:
            return "a recurrence has exactly one of these members"
        recurrence = meant(value) if isinstance(value, str) else None
        remedy = f"; write {_json(recurrence)}" if recurrence is not None else ""
        return f"{quoted(unknown[0] if unknown else value)} is not a recurrence{remedy}"

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
                    for k in KINDS
                ),
            ]
        }
    ),
]


class DstBody(Body):
    gap: Annotated[Literal["run_after", "skip"], one_of("run_after", "skip")] = "run_after"
    fold: Annotated[Literal["first", "second", "both"], one_of("first", "second", "both")] = "first"


class ScheduleFields(Body):
    """The fields of a job that define its schedule."""

    scheduled_at: OmittableInstant = None
    recurrence: RecurrenceField = "none"
    timezone: Zone = "UTC"
    dst: Annotated[Dst, ReadAs(DstBody)] = Dst()
    ends_at: Instant | None = None
    max_runs: MaxRuns | None = None
    jitter: Positive | None = None


class PreviewBody(ScheduleFields):
    """The schedule fields of a job."""

    after: OmittableInstant = None
    count: int = Field(10, ge=1, le=1000)

    def definition(self, now: datetime) -> Definition:
        """A job with this schedule; without `scheduled_at` it starts at `after`, or else at `now`."""
        schedule = {name: getattr(self, name) for name in ScheduleFields.model_fields}
        return Definition(name="preview", **schedule | {"scheduled_at": self.scheduled_at or self.after or now})
