"""Bounds of settings that are numbers or durations. Beyond them a service would be ready and do nothing."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator

from duebook_common.runtime.durations import Duration, iso

V = TypeVar("V", int, timedelta)


@dataclass(frozen=True)
class Bounds(Generic[V]):
    """The least and the most that a setting may be."""

    least: V
    most: V

    def __call__(self, value: V) -> V:
        if not self.least <= value <= self.most:
            raise ValueError(f"{_text(value)} is out of bounds; set {self}")
        return value

    def __str__(self) -> str:
        return f"{_text(self.least)} to {_text(self.most)}"


def _text(value: int | timedelta) -> str:
    return iso(value) if isinstance(value, timedelta) else f"{value}"


Port = Annotated[int, AfterValidator(Bounds(0, 65_535))]
LookAhead = Annotated[Duration, AfterValidator(Bounds(timedelta(0), timedelta(seconds=5)))]
Grace = Annotated[Duration, AfterValidator(Bounds(timedelta(0), timedelta(days=1)))]
Misfire = Annotated[Duration, AfterValidator(Bounds(timedelta(seconds=1), timedelta(days=366)))]
Lease = Annotated[Duration, AfterValidator(Bounds(timedelta(seconds=1), timedelta(days=1)))]
Idle = Annotated[Duration, AfterValidator(Bounds(timedelta(minutes=1), timedelta(days=366)))]
MaxTimeout = Annotated[Duration, AfterValidator(Bounds(timedelta(seconds=1), timedelta(days=36_500)))]
