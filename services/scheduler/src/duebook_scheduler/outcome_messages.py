"""The messages that the relay publishes for events, and whether a mail may follow from them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.topology import EVENTS, MAIL_DEFAULT, MAIL_NAMED
from duebook_common.domain.definition import Definition, Notify
from duebook_common.domain.mail import MISSED, wants_mail
from duebook_common.domain.run.ids import run_id_at
from duebook_common.store.codec import NOTIFY
from duebook_common.store.mails_owed import OwedMail

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


@dataclass(frozen=True, slots=True)
class RelayedOutcome:
    """An outcome to publish. `mail` is a second routing key, to the notifier; None if no mail can follow."""

    outcome: OutcomeMessage
    mail: str | None

    @property
    def owed(self) -> OwedMail:
        return OwedMail(self.outcome.run_id, self.outcome.job_id, self.outcome.outcome, self.outcome.version)

    def message(self) -> OutgoingMessage:
        return OutgoingMessage(
            EVENTS,
            self.outcome.routing_key,
            self.outcome.encode(),
            bcc=self.mail,
            message_id=f"{self.outcome.run_id}.{self.outcome.version}",
            mandatory=False,
        )


def of_run(record: Any) -> RelayedOutcome:
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
    return RelayedOutcome(message, _mail_routing_key(notify, message.outcome, record["reason"]))


def of_missed(record: Any, definition: Definition) -> RelayedOutcome:
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
    notify = Notify(definition.recipients, definition.notify.on)
    return RelayedOutcome(message, _mail_routing_key(notify, message.outcome, None))


def _mail_routing_key(notify: Notify, outcome: str, reason: str | None) -> str | None:
    """The routing key to the notifier; None if no mail can follow, as for most outcomes."""
    if not wants_mail(notify, outcome, reason):
        return None
    return MAIL_NAMED if notify.to else MAIL_DEFAULT
