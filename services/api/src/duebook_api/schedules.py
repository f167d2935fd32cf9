"""What a request may say of a schedule: its recurrence, and a schedule by itself that is to be previewed."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from duebook_api.fields import Body, DstBody, Given, Instant, Zone
from duebook_common.domain import cron
from duebook_common.domain.definition import Cron, Definition, Every, Recurrence
from duebook_common.durations import Duration

_WORDS = ("none", "daily", "weekly")
_KINDS = ("cron", "every")
_SHAPES = f'{", ".join(_WORDS)}, {{"cron": "0 2 * * *"}} or {{"every": "PT15M"}}'
_SHORTEST = timedelta(seconds=1)


def _fires(text: str) -> str:
    cron.parse(text)
    return text


def _at_least_a_second(value: timedelta) -> timedelta:
    if value < _SHORTEST:
        raise ValueError("an interval is PT1S at least")
    return value


class RecurrenceBody(Body):
    """A word, or an object of one member."""

    word: str = Field("none", exclude=True)
    cron: Annotated[str, AfterValidator(_fires)] | None = None
    every: Annotated[Duration, AfterValidator(_at_least_a_second)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, value: Any) -> Any:
        if isinstance(value, str) and value in _WORDS:
            return {"word": value}
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _KINDS and None not in value.values():
            return value
        raise ValueError(f"this version knows {_SHAPES}")

    @cached_property
    def value(self) -> Recurrence:
        if self.cron is not None:
            return Cron(self.cron)
        return Every(self.every) if self.every is not None else self.word  # type: ignore[return-value]


RecurrenceField = Annotated[
    RecurrenceBody,
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
NO_RECURRENCE = RecurrenceBody.model_validate("none")
DST = DstBody()


class PreviewBody(Body):
    """A job's schedule fields, without the job."""

    scheduled_at: Given = None
    recurrence: RecurrenceField = Field(default_factory=lambda: NO_RECURRENCE)
    timezone: Zone = "UTC"
    dst: DstBody = Field(default_factory=lambda: DST)
    ends_at: Instant | None = None
    after: Given = None
    count: int = Field(10, ge=1, le=1000)

    def definition(self, now: datetime) -> Definition:
        """A job of that schedule; `now` stands for a `scheduled_at` that is left out."""
        return Definition(
            name="preview",
            scheduled_at=self.scheduled_at or self.after or now,
            recurrence=self.recurrence.value,
            timezone=self.timezone,
            dst=self.dst.value,
            ends_at=self.ends_at,
        )
