"""Schemas of the answers to dry runs: what a request would make."""

from typing import Any

from pydantic import AwareDatetime, BaseModel, create_model

from duebook_api.schemas.answers import definition_fields

JobDefinition: Any = create_model("JobDefinition", **definition_fields())


class JobPlan(BaseModel):
    """The job that a request would make."""

    job: JobDefinition
    times: list[AwareDatetime]
    warnings: list[str]


class BackfillPlan(BaseModel):
    """The runs that a backfill would make."""

    count: int
    already_backfilled: int
    times: list[AwareDatetime]
