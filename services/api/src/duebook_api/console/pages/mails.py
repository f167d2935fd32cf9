"""The view model of the mails about runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from duebook_api.console.pages.actions import REASON, Action
from duebook_api.console.pages.copies import copies, curl
from duebook_api.console.pages.status import look
from duebook_common.runtime.phrases import quantity

STATUSES = (
    ("", "all"),
    ("retrying", "to be tried again"),
    ("given_up", "given up"),
    ("held", "held for a digest"),
    ("in_digest", "sent in a digest"),
    ("sent", "sent"),
)
_CANNOT_BE_SENT = {"held"}  # the digest has it


@dataclass(frozen=True, slots=True)
class MailRow:
    """`about` is the outcome in words; `remark` is what stands in the way of a mail, and may be empty."""

    id: str
    status: str
    about: str
    role: str
    recipient: str
    job_id: UUID
    job_name: str
    run_id: UUID
    remark: str
    error: str
    next_try_at: datetime | None
    updated_at: datetime
    can_be_sent: bool


def mail_rows(mails: Sequence[Mapping[str, Any]]) -> list[MailRow]:
    return [_row(mail) for mail in mails]


def _row(mail: Mapping[str, Any]) -> MailRow:
    return MailRow(
        id=mail["id"],
        status=mail["status"],
        about=look(mail["outcome"]).word,
        role=look(mail["outcome"]).role,
        recipient=mail["recipient"],
        job_id=mail["job_id"],
        job_name=mail["job_name"] or "a job that was removed",
        run_id=mail["run_id"],
        remark=_remark(mail),
        error=mail["error"] or "",
        next_try_at=mail["next_try_at"],
        updated_at=mail["updated_at"],
        can_be_sent=mail["status"] not in _CANNOT_BE_SENT,
    )


def _remark(mail: Mapping[str, Any]) -> str:
    tries = quantity(mail["tries"], "try", "tries")
    return {
        "retrying": f"after {tries}",
        "given_up": f"after {tries}",
        "held": "the recipient’s budget is spent; the digest will list it",
        "in_digest": "the digest lists it",
    }.get(mail["status"], "")


def sentence(mails: Sequence[Mapping[str, Any]]) -> str:
    """What of the mails on the page needs an operator."""
    given_up = sum(mail["status"] == "given_up" for mail in mails)
    retrying = sum(mail["status"] == "retrying" for mail in mails)
    parts = [quantity(len(mails), "mail") + " on this page"]
    parts += [f"{quantity(given_up, 'was', 'were')} given up"] if given_up else []
    parts += [f"{quantity(retrying, 'waits', 'wait')} for another try"] if retrying else []
    return "; ".join(parts) + "."


def resend_form(mail: Mapping[str, Any], url: str, *, needs_key: bool) -> Action:
    outcome, name = look(mail["outcome"]).word, mail["job_name"] or "a job that was removed"
    return Action(
        title="Send the mail again",
        submit="Send again",
        path=f"/console/mails/{mail['id']}/resend",
        back="/console/mails",
        notes=(
            f"It goes to {mail['recipient']}, about the outcome “{outcome}” of a run of “{name}”.",
            "The notifier sends it within seconds. It counts against the recipient’s budget.",
        ),
        fields=(REASON,),
        copies=copies(curl(url, "POST", {"reason": "…"}, needs_key=needs_key), ["mail", "resend", mail["id"]]),
    )
