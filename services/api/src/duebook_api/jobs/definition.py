"""The definition that a request body makes."""

import re
from datetime import datetime, timedelta

from duebook_api.http.problems import Fault, invalid
from duebook_api.jobs.chains import must_not_trigger_itself
from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.first_times import must_name_a_time
from duebook_api.state.dependencies import Dependencies
from duebook_api.state.task_catalogue import TaskSchemas
from duebook_common.domain.addresses import mailable
from duebook_common.domain.definition import Definition
from duebook_common.runtime.durations import iso
from duebook_common.runtime.mail_domains import MailDomains

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
    must_not_trigger_itself(definition, None, root)
    return definition


def must_be_accepted(
    deps: Dependencies,
    schemas: TaskSchemas,
    definition: Definition,
    root: str = "",
    current: Definition | None = None,
) -> None:
    """Raises Problem 422 for what the installation allows no job to have, with pointers that start with `root`.

    What the `current` definition has as well is not checked again: a change of something else must be possible.
    """
    if current is None or definition.timeout != current.timeout:
        must_end_in_time(definition, deps.max_timeout, root)
    if current is None or definition.recipients != current.recipients:
        must_be_allowed(definition, deps.mail_domains, root)
    if current is None or (definition.task, definition.payload) != (current.task, current.payload):
        schemas.must_accept(definition.task, definition.payload, f"{root}/payload")


def must_be_allowed(definition: Definition, domains: MailDomains, root: str = "") -> None:
    """Raises Problem 422 for a recipient of the job's mails whose domain DUEBOOK_MAIL_DOMAINS does not allow."""
    for n, recipient in enumerate(definition.recipients if definition.notify.on else ()):
        try:
            domains.must_allow(recipient)
        except ValueError as error:
            field = f"/notify/to/{n}" if definition.notify.to else "/payload/to"
            raise invalid(Fault(root + field, str(error))) from None


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


def must_end_in_time(definition: Definition, longest: timedelta, root: str = "") -> None:
    """Raises Problem 422 if the timeout is longer than executors let an attempt take."""
    if definition.timeout > longest:
        text = f"this must be at most {iso(longest)}, the longest timeout that this installation allows"
        raise invalid(Fault(f"{root}/timeout", f"{text} (DUEBOOK_MAX_TIMEOUT)"))
