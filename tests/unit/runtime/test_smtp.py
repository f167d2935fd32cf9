"""SMTP URLs, addresses, and which refusals are permanent."""

import socket
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
