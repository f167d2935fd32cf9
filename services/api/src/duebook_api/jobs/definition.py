"""The definition that a request body makes."""

import re
from datetime import datetime

from duebook_api.http.problems import Fault, invalid
from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.first_times import must_name_a_time
from duebook_common.domain.addresses import mailable
from duebook_common.domain.definition import Definition

_ADDRESS_LIKE = re.compile(r"[^\s,;<>\"]+@[^\s,;<>\"]+")


def define(body: JobBody, now: datetime, root: str = "", *, new_schedule: bool = True) -> Definition:
    """The body's definition, with `now` as its default `scheduled_at`.

    Raises Problem 422 if the schedule names no time at all, or if no mail can be sent to the address in the payload;
    the pointers of its faults start with `root`.
    """
    definition = body.definition(now)
    if new_schedule:
        must_name_a_time(definition, root)
    _must_be_mailable(definition, root)
    return definition


def _must_be_mailable(definition: Definition, root: str) -> None:
    """Refuse a `payload.to` that is meant as the recipient of the job's mails, but cannot be one."""
    to = definition.payload.get("to") if isinstance(definition.payload, dict) else None
    if definition.notify.to or not definition.notify.on or not isinstance(to, str) or not _ADDRESS_LIKE.fullmatch(to):
        return
    try:
        mailable(to)
    except ValueError as error:
        remedy = "the job's mails would go there; set `notify.to`, or an empty `notify.on` for no mails"
        raise invalid(Fault(f"{root}/payload/to", f"{error}; {remedy}")) from None
