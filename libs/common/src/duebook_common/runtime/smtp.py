"""One mail through SMTP: taken, refused for good, or worth another try."""

import asyncio
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

_ADDRESS = re.compile(r"""[^\s@,;:<>()\[\]"\\\x00-\x1f\x7f]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?""")
_STEP_SECONDS, _MAIL_SECONDS = 10, 30  # of one answer, of the whole conversation
_LOGIN_FIRST = 530  # says how the server is to be used, not what it thinks of the mail
_own_names: list[str] = []


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how mails are handed over. Encryption that was asked for is never done without."""

    host: str
    port: int | None
    tls: bool
    starttls: bool
    username: str | None
    password: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a mail was not taken. `permanent`: the same mail would be refused again."""

    error: str
    permanent: bool


def server(url: str) -> Server:
    """The server that an `smtp://`, `smtps://` or `smtp+starttls://` URL names; raises ValueError."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("the URL must name a host, like smtp://user:password@mail.example.com:587")
    secrets = [unquote(part) if part else None for part in (parts.username, parts.password)]
    return Server(parts.hostname, parts.port, parts.scheme == "smtps", parts.scheme == "smtp+starttls", *secrets)


def address(text: str) -> Address:
    """One plain address, without a name; raises ValueError for anything else, several addresses included."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is not one e-mail address")
    username, _, domain = text.rpartition("@")
    return Address(username=username, domain=domain)


async def send(server: Server, mail: EmailMessage, sender: str, recipient: str) -> Refusal | None:
    """Hand the mail over for one recipient; None says that the server took it."""
    told = await deliver(server, mail, sender, [recipient])
    return told if isinstance(told, Refusal) else None


async def deliver(
    server: Server, mail: EmailMessage, sender: str, recipients: Sequence[str]
) -> Refusal | dict[str, str]:
    """Hand the mail over in one conversation; answers why it was taken for none, or those whom it was not taken for.

    A connection of its own for each mail: one that is shared or kept hangs when the server forgets it.
    """
    try:
        async with asyncio.timeout(_MAIL_SECONDS):
            refused, _ = await aiosmtplib.send(
                mail,
                sender=sender,  # the envelope is named: headers would be parsed for it, and a comma adds a recipient
                recipients=list(recipients),
                hostname=server.host,
                port=server.port,
                username=server.username,
                password=server.password,
                local_hostname=await _own_name(),
                use_tls=server.tls,
                start_tls=server.starttls,
                timeout=_STEP_SECONDS,
            )
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return Refusal(_explain(error), _permanent(error))
    except ValueError as error:  # what the envelope cannot carry
        return Refusal(_explain(error), permanent=True)
    return {recipient: f"{answer.code} {answer.message}" for recipient, answer in refused.items()}


async def _own_name() -> str:
    """What we greet servers with. Found once: it may take name servers, which would be asked for each mail."""
    if not _own_names:
        _own_names.append(await asyncio.to_thread(socket.getfqdn))
    return _own_names[0]


def _permanent(error: Exception) -> bool:
    """Whether the server judged this mail; trouble with the server itself (its greeting, our login) may pass."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(map(_permanent, error.recipients))
    judged = (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError)
    return isinstance(error, judged) and error.code >= 500 and error.code != _LOGIN_FIRST


def _explain(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(map(_explain, error.recipients))
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    return f"{type(error).__name__}: {error}".removesuffix(": ")
