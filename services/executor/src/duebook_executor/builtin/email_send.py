"""The task `email.send`: one mail, done once the server has taken it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from duebook.tasks import Context, Fail, Task
from duebook_common.runtime.settings import MailAddress
from duebook_common.runtime.smtp import Refusal, SmtpServer, address, deliver

_MOST = 100  # recipients
_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"


@dataclass(frozen=True, slots=True)
class Mailer:
    """Where mails are handed over, and who sends them."""

    server: SmtpServer
    sender: str


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _once(recipients: list[str]) -> list[str]:
    return [*dict.fromkeys(recipients)]


_Address = Annotated[MailAddress, Field(min_length=3, max_length=254)]


class Email(BaseModel):
    """A payload of `email.send`; all recipients see each other."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"anyOf": [{"required": ["text"]}, {"required": ["html"]}]}
    )

    to: Annotated[
        list[_Address],
        BeforeValidator(_listed, json_schema_input_type=_Address | list[_Address]),
        Field(min_length=1, max_length=_MOST),
        AfterValidator(_once),
    ]
    subject: str = Field(min_length=1, max_length=500, pattern=_ONE_LINE)
    text: str | None = None
    html: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Email":
        if self.text is None and self.html is None:
            raise ValueError("a mail needs `text`, `html` or both")
        return self


def email_send_task(mailer: Mailer | None) -> Task:
    """The task; without a mailer its attempts fail and say what is missing."""

    async def email_send(payload: Email, context: Context) -> dict[str, Any]:
        if mailer is None:
            raise Fail("this executor has no DUEBOOK_SMTP_URL, so it cannot send mails")
        return await _send(mailer, payload, context)

    return Task.of("email.send", email_send, inline=True)


async def _send(mailer: Mailer, payload: Email, context: Context) -> dict[str, Any]:
    """In one conversation, so that nobody who was mailed is mailed again because of somebody else.

    Where the server takes some recipients and not others the attempt succeeds, and says so.
    """
    id_ = f"<{context.idempotency_key}@duebook>"  # the same for each attempt
    try:
        mail = _composed(mailer.sender, payload, id_)
    except ValueError as error:
        raise Fail(f"this cannot be a mail: {error}", retry=False) from None
    told = await deliver(mailer.server, mail, mailer.sender, payload.to)
    if isinstance(told, Refusal):
        raise Fail(told.error, retry=not told.permanent)
    for recipient, why in told.items():
        context.log(f"{recipient} was refused: {why}")
    return {"message_id": id_, "refused": told}


def _composed(sender: str, payload: Email, id_: str) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = address(sender)
    mail["To"] = [address(each) for each in payload.to]
    mail["Subject"] = payload.subject
    mail["Message-ID"] = id_
    mail["Date"] = datetime.now(UTC)
    mail["Auto-Submitted"] = "auto-generated"  # so that no absence note answers
    if payload.text is not None:
        mail.set_content(payload.text)
    if payload.html is not None and payload.text is not None:
        mail.add_alternative(payload.html, subtype="html")
    elif payload.html is not None:
        mail.set_content(payload.html, subtype="html")
    return mail
