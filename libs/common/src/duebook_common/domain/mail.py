"""Mails about runs. All mails about a run share one stream, with an event for each result of a try to send one.

The topic of a mail is the outcome and the version of its event in the run's stream. A repeated message has the same
topic; an outcome that happens again, after a retry or a redrive, has another one. Occurrences that were missed
together have no run: their mails are in the stream of the run that the last of them would have had, and the version in
their topic is that of the event in the job's stream.

An event whose contents were erased has no recipient any more: its mail is not told of again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Notify
from duebook_common.domain.errors import WrongStatus

MISSED = "missed"  # the outcome of occurrences that no scheduler dispatched in time
MISSED_REASONS = ("missed", "window")  # the reasons with which they are skipped


def stream(run_id: UUID) -> str:
    return f"mail-{run_id}"


def mail_topic(outcome: str, version: int) -> str:
    return f"{outcome}-{version}"


def parse_topic(topic: str) -> tuple[str, int]:
    """The outcome of a topic, and the version of its event."""
    outcome, _, version = topic.rpartition("-")
    return outcome, int(version)


def wants_mail(notify: Notify, outcome: str, reason: str | None) -> bool:
    """Whether the job wants mails about this outcome of a run; `reason` is why a run was skipped."""
    if outcome == "skipped" and reason == MISSED:
        return MISSED in notify.on
    return {"failed": "attempt_failed"}.get(outcome, outcome) in notify.on


def digest_id(recipient: str, until: datetime, mails: Iterable[str]) -> str:
    """The Message-ID of the digest that is due then. `mails` are the ids of those that it stands for.

    The same for each try of the same digest, and another one for each digest: mailboxes drop what they take for a
    repeat, and a digest may leave out a mail that was held at its last moment.
    """
    content = "\n".join([recipient, *sorted(mails)])
    return f"<digest.{until:%Y%m%dT%H%M%S%f}.{sha256(content.encode()).hexdigest()[:16]}@duebook>"


def notification_id(run_id: UUID, topic: str, recipient: str) -> str:
    """The id of a mail: always the same for the same outcome and recipient."""
    return f"{run_id}.{topic}.{sha256(recipient.encode()).hexdigest()[:16]}"


def message_id(run_id: UUID, topic: str, recipient: str) -> str:
    """The Message-ID of a mail. The same for each try, so that mailboxes can recognise a repeat."""
    return f"<{notification_id(run_id, topic, recipient)}@duebook>"


def resent_id(run_id: UUID, topic: str, recipient: str, request: UUID) -> str:
    """The Message-ID of a mail that a person asked for: another one, because mailboxes drop what they have already."""
    return f"<{notification_id(run_id, topic, recipient)}.{request.hex[-12:]}@duebook>"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSent:
    """The SMTP server accepted the mail for this recipient. `outcome` is the mail's topic."""

    outcome: str
    recipient: str = ""
    message_id: str = ""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFailed:
    """The SMTP server did not accept the mail. Without `retry_at` it is given up and dead-lettered."""

    outcome: str
    recipient: str = ""
    message_id: str = ""
    error: str = ""
    tries: int
    retry_at: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHeld:
    """The recipient has had as many mails as the limit allows: a digest tells this outcome, due at `until`.

    `tries` counts the digests that the SMTP server did not accept, `error` is its last answer.
    """

    outcome: str
    recipient: str = ""
    message_id: str = ""
    until: datetime
    at: datetime
    tries: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailDigested:
    """The SMTP server accepted a digest that tells this outcome. `message_id` is that of the digest."""

    outcome: str
    recipient: str = ""
    message_id: str = ""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailResendRequested:
    """A person asked for the mail once more: it is due now, with an id of its own, and has all its tries again.

    `request` is what identifies the request by its Idempotency-Key, and `request_hash` what it asked for.
    """

    outcome: str
    recipient: str = ""
    message_id: str = ""
    reason: str | None
    at: datetime
    request: str | None = None
    request_hash: str | None = None


MailEvent = MailSent | MailFailed | MailHeld | MailDigested | MailResendRequested


class MailStatus(StrEnum):
    SENT = "sent"
    HELD = "held"
    IN_DIGEST = "in_digest"
    RETRYING = "retrying"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail to one recipient, built from its events. `outcome` is its topic.

    `version` is that of its last event in the mail stream, `wake_at` when it is tried again.
    """

    run_id: UUID
    job_id: UUID
    outcome: str
    recipient: str
    version: int
    status: MailStatus
    message_id: str
    tries: int
    error: str | None
    wake_at: datetime | None
    updated_at: datetime


def evolve(mail: Mail | None, run_id: UUID, job_id: UUID, version: int, event: MailEvent) -> Mail:
    """Apply one event. Never refuses one."""
    return Mail(
        run_id=run_id,
        job_id=job_id,
        outcome=event.outcome,
        recipient=event.recipient,
        version=version,
        message_id=event.message_id,
        updated_at=event.at,
        **_changes(mail, event),
    )


def _changes(mail: Mail | None, event: MailEvent) -> dict[str, Any]:
    match event:
        case MailSent():
            return {"status": MailStatus.SENT, "tries": tries_of(mail) + 1, "error": None, "wake_at": None}
        case MailDigested():
            return {"status": MailStatus.IN_DIGEST, "tries": tries_of(mail) + 1, "error": None, "wake_at": None}
        case MailHeld():
            return {"status": MailStatus.HELD, "tries": event.tries, "error": event.error, "wake_at": event.until}
        case MailFailed():
            status = MailStatus.RETRYING if event.retry_at else MailStatus.GIVEN_UP
            return {"status": status, "tries": event.tries, "error": event.error, "wake_at": event.retry_at}
        case MailResendRequested():
            return {"status": MailStatus.RETRYING, "tries": 0, "error": tried_error(mail), "wake_at": event.at}


def tries_of(mail: Mail | None) -> int:
    """The number of tries to send the mail so far."""
    return mail.tries if mail is not None else 0


def tried_error(mail: Mail | None) -> str | None:
    """The error of the last try that failed, if the mail was not sent since."""
    return mail.error if mail is not None else None


def is_to_resend(mail: Mail) -> bool:
    """Whether a person asked for the mail, and it has not been tried since. Unlike a retry it takes from a budget."""
    return mail.status is MailStatus.RETRYING and mail.tries == 0


def resend(mail: Mail, request: MailResendRequested) -> list[MailEvent]:
    """The event of a request to send the mail again; none if that is requested already. Raises WrongStatus."""
    if mail.status is MailStatus.HELD:
        raise WrongStatus("the mail", "held for a digest", "sent, in_digest, retrying or given_up")
    return [] if is_to_resend(mail) else [request]


def decide(mail: Mail | None, result: MailEvent) -> list[MailEvent]:
    """The event to record for the result of a try; none if it is recorded already.

    Another notifier may have tried the same mail. A success counts even after the mail was given up, a failure only as
    a further try. A mail is held before its first try, also before that which a person asked for, or again after a
    digest that failed.
    """
    if mail is None:
        return [result]
    if mail.status in (MailStatus.SENT, MailStatus.IN_DIGEST):
        return []
    if isinstance(result, MailHeld) and is_to_resend(mail):
        return [result]
    if isinstance(result, MailHeld) and mail.status is not MailStatus.HELD:
        return []
    if isinstance(result, MailHeld | MailFailed) and result.tries <= mail.tries:
        return []
    return [result]
