"""SMTP URLs, addresses, and which refusals are permanent."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from email.message import EmailMessage
from unittest.mock import Mock

import aiosmtplib
import pytest

from duebook_common.runtime import smtp
from duebook_common.runtime.smtp import SmtpServer, _explain, _permanent, deliver, smtp_server
from duebook_devstack.ports import free_port


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail:1025", SmtpServer("mail", 1025, tls=False, starttls=False, username=None, password=None)),
        ("smtps://u:p%40ss@mail", SmtpServer("mail", None, tls=True, starttls=False, username="u", password="p@ss")),
        ("smtp+starttls://u@mail:587/", SmtpServer("mail", 587, tls=False, starttls=True, username="u", password=None)),
    ],
)
def test_a_url_names_the_server(url: str, server: SmtpServer) -> None:
    assert smtp_server(url) == server


@pytest.mark.parametrize("url", ["smtp://", "smtp:///x", "smtp://mail:port"])
def test_a_url_without_a_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        smtp_server(url)


def refused(*codes: int) -> aiosmtplib.SMTPRecipientsRefused:
    return aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(code, "no", "a@b") for code in codes])


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (refused(550), True),
        (refused(450), False),
        (refused(530), False),
        (aiosmtplib.SMTPDataError(554, "spam"), True),
        (aiosmtplib.SMTPDataError(452, "full"), False),
        (aiosmtplib.SMTPSenderRefused(553, "who?", "a@b"), True),
        (aiosmtplib.SMTPAuthenticationError(535, "wrong password"), False),
        (aiosmtplib.SMTPConnectResponseError(554, "no service"), False),
        (aiosmtplib.SMTPServerDisconnected("gone"), False),
        (ConnectionRefusedError(111, "refused"), False),
        (TimeoutError(), False),
    ],
)
def test_only_a_refusal_of_the_mail_itself_is_permanent(error: Exception, permanent: bool) -> None:
    assert _permanent(error) is permanent
    assert _explain(error)


async def test_the_own_host_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    getfqdn = Mock(return_value="host.example")
    monkeypatch.setattr(smtp, "_own_names", [])
    monkeypatch.setattr(socket, "getfqdn", getfqdn)
    closed = SmtpServer("127.0.0.1", free_port(), tls=False, starttls=False, username=None, password=None)
    for _ in range(3):
        await deliver(closed, EmailMessage(), "a@example.org", ["b@example.org"])
    assert getfqdn.call_count == 1


@asynccontextmanager
async def slow_server(after_data: float, after_quit: float) -> AsyncIterator[tuple[SmtpServer, list[str]]]:
    """A server that answers the content of a mail, and QUIT, after so many seconds; the second value is what it saw."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = {"EHLO": (0, "250 mail"), "DATA": (0, "354 go on"), "QUIT": (after_quit, "221 bye")}
        writer.write(b"220 mail\r\n")
        with closing(writer):
            while line := (await reader.readline()).decode().strip():
                seen.append(line[:4])
                delay, answer = answers.get(line[:4], (0, "250 ok"))
                await asyncio.sleep(delay)
                writer.write(f"{answer}\r\n".encode())
                if line == "DATA":
                    await reader.readuntil(b".\r\n")
                    await asyncio.sleep(after_data)
                    writer.write(b"250 accepted\r\n")

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield SmtpServer("127.0.0.1", port, tls=False, starttls=False, username=None, password=None), seen


async def test_a_server_that_accepts_a_mail_slowly_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_REPLY_SECONDS", 0.2)
    async with slow_server(after_data=0.6, after_quit=0) as (server, seen):
        assert await deliver(server, EmailMessage(), "a@example.org", ["b@example.org"]) == {}
    assert seen.count("DATA") == 1


async def test_an_accepted_mail_is_accepted_whatever_becomes_of_quit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_MAIL_SECONDS", 0.5)
    async with slow_server(after_data=0, after_quit=1) as (server, seen):
        assert await deliver(server, EmailMessage(), "a@example.org", ["b@example.org"]) == {}
    assert "QUIT" in seen
