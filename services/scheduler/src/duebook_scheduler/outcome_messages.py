"""The messages that the relay publishes for events, and whether a mail may follow from them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.topology import EVENTS, MAIL_DEFAULT, MAIL_NAMED
from duebook_common.domain.definition import Definition, Notify
from duebook_common.domain.mail import MISSED, wants_mail
from duebook_common.domain.run.events import run_id_at
from duebook_common.store.codec import NOTIFY

OUTCOMES = {
    "AttemptSucceeded": "succeeded",
    "AttemptFailed": "failed",
    "AttemptLost": "failed",
    "RunDeadLettered": "dead_lettered",
    "RunCancelled": "cancelled",
    "RunSkipped": "skipped",
    "RunExpired": "skipped",
    "RunDiscarded": "discarded",
}


def of_run(record: Any) -> OutgoingMessage:
    """The message about an outcome of a run."""
    notify = NOTIFY.validate_python(record["notify"])
    message = OutcomeMessage(
        run_id=record["run_id"],
        job_id=record["job_id"],
        outcome=OUTCOMES[record["type"]],
        attempt=record["attempt"],
        version=record["version"],
        at=record["recorded_at"],
        notify=bool(notify.to),
        job_name=record["job_name"],
        task=record["task"],
        queue=record["queue"],
    )
    return _outgoing(message, notify, record["reason"])


def of_missed(record: Any, definition: Definition) -> OutgoingMessage:
    """The message about the missed occurrences of one event, by the definition that was in force then."""
    job_id: UUID = record["of_job"]
    missed = {name: record["missed"][name] for name in ("first", "last", "count", "reason")}
    message = OutcomeMessage(
        run_id=run_id_at(job_id, datetime.fromisoformat(missed["last"])),
        job_id=job_id,
        outcome=MISSED,
        attempt=0,
        version=record["version"],
        at=record["recorded_at"],
        notify=bool(definition.recipients),
        job_name=definition.name,
        task=definition.task,
        queue=definition.queue,
        missed=missed,
    )
    return _outgoing(message, Notify(definition.recipients, definition.notify.on))


def _outgoing(message: OutcomeMessage, notify: Notify, reason: str | None = None) -> OutgoingMessage:
    return OutgoingMessage(
        EVENTS,
        message.routing_key,
        message.encode(),
        bcc=_mail_routing_key(notify, message.outcome, reason),
        message_id=f"{message.run_id}.{message.version}",
        mandatory=False,
    )


def _mail_routing_key(notify: Notify, outcome: str, reason: str | None) -> str | None:
    """The second routing key, which leads to the notifier; None if no mail can follow, as for most outcomes."""
    if not wants_mail(notify, outcome, reason):
        return None
    return MAIL_NAMED if notify.to else MAIL_DEFAULT
