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
from duebook_common.runtime.smtp import Refusal, SmtpServer, _explain, _permanent, deliver, smtp_server
from duebook_common.store import mails_owed
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
async def slow_server(after_data: float = 0, stalls_at: str = "") -> AsyncIterator[tuple[SmtpServer, list[str]]]:
    """A server that accepts a mail after so many seconds, and never answers one command; the second value: what it saw.

    At `DATA` it stalls once it has the content.
    """
    seen: list[str] = []
    over = asyncio.Event()
    answers = {"EHLO": "250 mail", "QUIT": "221 bye"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        with closing(writer):
            while line := (await reader.readline()).decode().strip()[:4]:
                if line == "DATA":
                    writer.write(b"354 go on\r\n")
                    await reader.readuntil(b".\r\n")
                seen.append(line)
                if line == stalls_at:
                    await over.wait()
                    return
                await asyncio.sleep(after_data if line == "DATA" else 0)
                writer.write(f"{answers.get(line, '250 ok')}\r\n".encode())

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        try:
            yield SmtpServer("127.0.0.1", port, tls=False, starttls=False, username=None, password=None), seen
        finally:
            over.set()


async def until_seen(command: str, seen: list[str]) -> None:
    async with asyncio.timeout(10):
        while command not in seen:
            await asyncio.sleep(0.01)


def sending(server: SmtpServer) -> asyncio.Task[Refusal | dict[str, str]]:
    return asyncio.create_task(deliver(server, EmailMessage(), "a@example.org", ["b@example.org"]))


@pytest.fixture
def own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known, because a lookup may need DNS and take seconds."""
    monkeypatch.setattr(smtp, "_own_names", ["host.example"])


@pytest.mark.usefixtures("own_name")
async def test_a_server_that_accepts_a_mail_slowly_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_REPLY_SECONDS", 2)
    async with slow_server(after_data=3) as (server, seen):
        assert await sending(server) == {}
    assert seen.count("DATA") == 1


@pytest.mark.usefixtures("own_name")
async def test_a_mail_is_accepted_though_its_sender_is_stopped_at_quit() -> None:
    async with slow_server(stalls_at="QUIT") as (server, seen):
        mail = sending(server)
        await until_seen("QUIT", seen)
        mail.cancel()
        assert await mail == {}


@pytest.mark.usefixtures("own_name")
async def test_a_stopped_mail_does_not_wait_for_a_server_that_stalls() -> None:
    async with slow_server(stalls_at="DATA") as (server, seen):
        mail = sending(server)
        await until_seen("DATA", seen)
        mail.cancel()
        await asyncio.wait([mail], timeout=5)
        assert mail.cancelled()
    assert "QUIT" not in seen


def test_an_owed_mail_does_not_overtake_the_one_that_is_being_sent() -> None:
    assert mails_owed.GRACE_SECONDS > smtp.MAIL_SECONDS
