"""Answers about times to come: the preview of a schedule, and the forecast of many."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field


class Preview(BaseModel):
    times: list[AwareDatetime]
    description: str
    notes: list[str]


class Hour(BaseModel):
    at: AwareDatetime
    runs: int


class Peak(BaseModel):
    runs: int
    at: AwareDatetime | None


class Peaks(BaseModel):
    mean: Peak
    p95: Peak
    hours_looked_at: int | Literal["all"]


class QueueForecast(BaseModel):
    queue: str
    runs: int
    peak: Peaks
    unmeasured_jobs: int


class AffectedJob(BaseModel):
    job_id: UUID | None
    name: str
    falls_in: Literal["gap", "fold"]
    does: str


class ClockChange(BaseModel):
    at: AwareDatetime
    timezone: str
    says: str
    jobs_hit: int
    jobs: list[AffectedJob]


class NominalTime(BaseModel):
    nominal_at: AwareDatetime
    job_id: UUID | None
    name: str


class NominalTimes(BaseModel):
    count: int
    times: list[NominalTime]


class Forecast(BaseModel):
    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    jobs: int
    runs: int
    hours: list[Hour]
    queues: list[QueueForecast]
    clock_changes: list[ClockChange]
    added: NominalTimes | None = Field(None, description="Only with `changes`.")
    removed: NominalTimes | None = Field(None, description="Only with `changes`.")
