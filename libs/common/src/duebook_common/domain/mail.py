"""Mails about a run: one stream for all of them, an event for each try that said something.

What a mail tells of is named by the outcome and the version of its event in the run's stream: a repeat has the same
name, an outcome that really came again (a retry, a redrive) another. Occurrences that were missed together are no run:
their mails stand under the run that the last of them would have had, named by the event in the job's stream.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Notify

MISSED = "missed"  # the outcome of occurrences that no scheduler dispatched in time
MISSES = ("missed", "window")  # the reasons with which such occurrences are skipped


def stream(run_id: UUID) -> str:
    return f"mail-{run_id}"


def outcome_key(outcome: str, version: int) -> str:
    return f"{outcome}-{version}"


def outcome_of(key: str) -> tuple[str, int]:
    """The outcome and the version that a key names."""
    outcome, _, version = key.rpartition("-")
    return outcome, int(version)


def wanted(notify: Notify, outcome: str, reason: str | None) -> bool:
    """Whether whoever is told of a run wants to be told of this outcome of it."""
    if outcome == "skipped" and reason == MISSED:
        return MISSED in notify.on
    return {"failed": "attempt_failed"}.get(outcome, outcome) in notify.on


def message_id(run_id: UUID, key: str, recipient: str) -> str:
    """The same mail to the same recipient always has the same id, so that mailboxes can tell a repeat."""
    return f"<{run_id}.{key}.{sha256(recipient.encode()).hexdigest()[:16]}@duebook>"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSent:
    """The SMTP server took the mail for this recipient. `outcome` names what the mail tells of."""

    outcome: str
    recipient: str
    message_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFailed:
    """The mail was not taken. Without `retry_at` it is given up and dead-lettered."""

    outcome: str
    recipient: str
    message_id: str
    error: str
    tries: int
    retry_at: datetime | None
    at: datetime


MailEvent = MailSent | MailFailed


class MailStatus(StrEnum):
    SENT = "sent"
    RETRYING = "retrying"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail to one recipient, as its events tell it. `version` is its last event's in the run's mail stream."""

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
    """Remember one event; never refuses."""
    facts: dict[str, Any] = {"status": MailStatus.SENT, "tries": tries_of(mail) + 1, "error": None, "wake_at": None}
    if isinstance(event, MailFailed):
        status = MailStatus.RETRYING if event.retry_at else MailStatus.GIVEN_UP
        facts = {"status": status, "tries": event.tries, "error": event.error, "wake_at": event.retry_at}
    return Mail(
        run_id=run_id,
        job_id=job_id,
        outcome=event.outcome,
        recipient=event.recipient,
        version=version,
        message_id=event.message_id,
        updated_at=event.at,
        **facts,
    )


def tries_of(mail: Mail | None) -> int:
    """How often this mail was tried."""
    return mail.tries if mail is not None else 0


def decide(mail: Mail | None, told: MailEvent) -> list[MailEvent]:
    """Whether what a try told is news; another notifier may have tried the same mail meanwhile.

    That a mail was taken is a fact even after it was given up; that it failed counts only as a further try.
    """
    if mail is None:
        return [told]
    if mail.status is MailStatus.SENT or (isinstance(told, MailFailed) and told.tries <= mail.tries):
        return []
    return [told]
