"""The task `email.send`: one mail, successful once the SMTP server has accepted it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from duebook.context import Context
from duebook.errors import Fail
from duebook.tasks import Task
from duebook_common.runtime.mail_domains import ALL_DOMAINS, MailDomains
from duebook_common.runtime.mail_message import breaks_line, new_mail
from duebook_common.runtime.settings import MailAddress
from duebook_common.runtime.smtp import Refusal, SmtpServer, deliver

_MOST_RECIPIENTS = 100


@dataclass(frozen=True, slots=True)
class Mailer:
    """The SMTP server, the sender's address, and the domains that mails may go to."""

    server: SmtpServer
    sender: str
    domains: MailDomains = ALL_DOMAINS


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _without_repeats(recipients: list[str]) -> list[str]:
    return [*dict.fromkeys(recipients)]


def _one_line(subject: str) -> str:
    if any(map(breaks_line, subject)):
        raise ValueError("a subject is one line, without line breaks and control characters")
    return subject


# The API reads the keywords: it refuses what this model refuses, with the same reasons.
_Address = Annotated[MailAddress, Field(json_schema_extra={"mailAddress": True})]
_Subject = Annotated[
    str, Field(min_length=1, max_length=500, json_schema_extra={"oneLine": True}), AfterValidator(_one_line)
]


def _with_text(name: str) -> JsonDict:
    return {"required": [name], "properties": {name: {"type": "string"}}}


class Email(BaseModel):
    """The payload of `email.send`: one mail; its recipients see each other's addresses."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"anyOf": [_with_text("text"), _with_text("html")]}
    )

    to: Annotated[
        list[_Address],
        BeforeValidator(_as_list, json_schema_input_type=_Address | list[_Address]),
        Field(min_length=1, max_length=_MOST_RECIPIENTS),
        AfterValidator(_without_repeats),
    ]
    subject: _Subject
    text: str | None = None
    html: str | None = None

    @model_validator(mode="after")
    def _has_content(self) -> "Email":
        if self.text is None and self.html is None:
            raise ValueError("a mail needs `text`, `html` or both")
        return self


def email_send_task(mailer: Mailer | None) -> Task:
    """The task; without a mailer its attempts fail with the name of the missing setting."""

    async def email_send(payload: Email, context: Context) -> dict[str, Any]:
        if mailer is None:
            raise Fail("this executor cannot send mails: set DUEBOOK_SMTP_URL")
        return await _send(mailer, payload, context)

    return Task.of("email.send", email_send, inline=True)


async def _send(mailer: Mailer, payload: Email, context: Context) -> dict[str, Any]:
    """Send to all recipients in one SMTP transaction: a refused recipient must not cause a second mail to the others.

    If the server accepts only some recipients, the attempt succeeds; its result and its log name the others.
    """
    id_ = f"<{context.idempotency_key}@duebook>"  # the same for every attempt
    try:
        for recipient in payload.to:
            mailer.domains.must_allow(recipient)
        mail = _compose(mailer.sender, payload, id_)
    except ValueError as error:
        raise Fail(f"this payload makes no valid mail: {error}", retry=False) from None
    delivery = await deliver(mailer.server, mail, mailer.sender, payload.to)
    if isinstance(delivery, Refusal):
        raise Fail(delivery.error, retry=not delivery.permanent)
    for recipient, reply in delivery.items():
        context.log(f"{recipient} was refused: {reply}")
    return {"message_id": id_, "refused": delivery}


def _compose(sender: str, payload: Email, id_: str) -> EmailMessage:
    mail = new_mail(
        sender=sender, recipients=payload.to, subject=payload.subject, message_id=id_, now=datetime.now(UTC)
    )
    if payload.text is not None:
        mail.set_content(payload.text)
    if payload.html is not None and payload.text is not None:
        mail.add_alternative(payload.html, subtype="html")
    elif payload.html is not None:
        mail.set_content(payload.html, subtype="html")
    return mail
