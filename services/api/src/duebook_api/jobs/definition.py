"""The definition that a request body makes."""

from datetime import datetime

from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.schedules import must_name_a_time
from duebook_common.domain.definition import Definition


def define(body: JobBody, now: datetime, root: str = "") -> Definition:
    """The body's definition, with `now` as its default `scheduled_at`.

    Raises Problem 422 if the schedule names no time at all; the pointers of its faults start with `root`.
    """
    definition = body.definition(now)
    must_name_a_time(definition, root)
    return definition
