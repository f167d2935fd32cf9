"""Sending one mail by SMTP (RFC 5321): accepted, refused for good, or refused for now."""

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
_REPLY_SECONDS, _MAIL_SECONDS = 10, 30  # timeouts of one reply and of the whole session
_AUTHENTICATION_REQUIRED = 530  # about the session, not about the mail (RFC 4954)
_own_names: list[str] = []


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """An SMTP server and how to connect. With `tls` or `starttls` a mail is never sent unencrypted."""

    host: str
    port: int | None
    tls: bool
    starttls: bool
    username: str | None
    password: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the server did not accept a mail. `permanent`: it would refuse the same mail again."""

    error: str
    permanent: bool


def smtp_server(url: str) -> SmtpServer:
    """Parse an `smtp://`, `smtps://` or `smtp+starttls://` URL; raises ValueError if it names no host."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("the URL must name a host, like smtp://user:password@mail.example.com:587")
    credentials = [unquote(part) if part else None for part in (parts.username, parts.password)]
    return SmtpServer(
        parts.hostname, parts.port, parts.scheme == "smtps", parts.scheme == "smtp+starttls", *credentials
    )


def address(text: str) -> Address:
    """Parse one plain e-mail address; raises ValueError for anything else, a display name or a list included."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is not one e-mail address")
    username, _, domain = text.rpartition("@")
    return Address(username=username, domain=domain)


async def send(server: SmtpServer, mail: EmailMessage, sender: str, recipient: str) -> Refusal | None:
    """Send the mail to one recipient; None if the server accepted it."""
    result = await deliver(server, mail, sender, [recipient])
    return result if isinstance(result, Refusal) else None


async def deliver(
    server: SmtpServer, mail: EmailMessage, sender: str, recipients: Sequence[str]
) -> Refusal | dict[str, str]:
    """Send the mail to all recipients in one session.

    Returns a Refusal if the server accepted it for none of them, else the server's reply for each refused recipient.
    Each mail has a connection of its own, because a shared one hangs once the server forgets it.
    """
    try:
        async with asyncio.timeout(_MAIL_SECONDS):
            refused, _ = await aiosmtplib.send(
                mail,
                sender=sender,  # explicit: an envelope parsed from the headers gains a recipient with each comma
                recipients=list(recipients),
                hostname=server.host,
                port=server.port,
                username=server.username,
                password=server.password,
                local_hostname=await _own_name(),
                use_tls=server.tls,
                start_tls=server.starttls,
                timeout=_REPLY_SECONDS,
            )
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return Refusal(_explain(error), _permanent(error))
    except ValueError as error:  # an address that SMTP cannot transmit
        return Refusal(_explain(error), permanent=True)
    return {recipient: f"{answer.code} {answer.message}" for recipient, answer in refused.items()}


async def _own_name() -> str:
    """The name of this host for EHLO. Looked up once, because a lookup may need DNS."""
    if not _own_names:
        _own_names.append(await asyncio.to_thread(socket.getfqdn))
    return _own_names[0]


def _permanent(error: Exception) -> bool:
    """Whether the refusal concerns this mail for good. Trouble with the session (greeting, login) may pass."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(map(_permanent, error.recipients))
    about_mail = (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError)
    return isinstance(error, about_mail) and error.code >= 500 and error.code != _AUTHENTICATION_REQUIRED


def _explain(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(map(_explain, error.recipients))
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    return f"{type(error).__name__}: {error}".removesuffix(": ")
