"""Sending one mail by SMTP (RFC 5321): accepted, refused for good, or refused for now."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib

from duebook_common.domain.addresses import mailable

_REPLY_SECONDS, MAIL_SECONDS = 10, 90  # timeouts of one reply and of the whole session
# A server that looks for viruses first takes its time, and a mail that is not waited for is sent again though it was
# accepted (RFC 5321, 4.5.3.2.6). It is no longer than that, because ten mails that wait hold up all others.
_ACCEPT_SECONDS = 60
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


class _Session(aiosmtplib.SMTP):
    """An SMTP session that waits longer for the replies to DATA and to a mail's content, and never for that to QUIT."""

    async def data(self, message: str | bytes, /, **_: Any) -> aiosmtplib.SMTPResponse:
        return await super().data(message, timeout=_ACCEPT_SECONDS)

    async def __aexit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Part without a wait, so that no timeout and no cancellation then makes an accepted mail a failed one."""
        in_mid_command = isinstance(error, (asyncio.CancelledError, ConnectionError, TimeoutError))
        if self.protocol is not None and not in_mid_command:
            with suppress(aiosmtplib.SMTPServerDisconnected):
                self.protocol.write(b"QUIT\r\n")  # sent before the connection closes
        self.close()


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
        mailed = {mailable(recipient): recipient for recipient in recipients}
        async with asyncio.timeout(MAIL_SECONDS), await _session(server) as session:
            # The envelope is explicit: one that is parsed from the headers gains a recipient per comma.
            refused, _ = await session.send_message(mail, sender=mailable(sender), recipients=list(mailed))
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return Refusal(_explain(error), _permanent(error))
    except ValueError as error:  # an address that SMTP cannot transmit
        return Refusal(_explain(error), permanent=True)
    return {mailed[recipient]: f"{answer.code} {answer.message}" for recipient, answer in refused.items()}


async def _session(server: SmtpServer) -> _Session:
    """A session that connects when it is entered."""
    return _Session(
        hostname=server.host,
        port=server.port,
        username=server.username,
        password=server.password,
        local_hostname=await _own_name(),
        use_tls=server.tls,
        start_tls=server.starttls,
        timeout=_REPLY_SECONDS,
    )


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
