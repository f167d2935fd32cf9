"""`email.send`: one mail, accepted by the server, without a way to inject headers."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from duebook.errors import Fail
from duebook.tasks import Task
from duebook_api.http.problems import Problem
from duebook_api.state.task_catalogue import TaskSchemas
from duebook_common.runtime.smtp import smtp_server
from duebook_executor.builtin.email_send import Mailer, email_send_task
from support.http_server import run
from support.smtp_server import Mailbox

MAIL = {"to": "a@example.com", "subject": "Grüße", "text": "plain", "html": "<b>rich</b>"}


class SelectiveMailbox(Mailbox):
    """Refuses recipients named never (permanently) or later (temporarily); `envelopes` has the accepted ones."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[list[str]] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith(("never", "later")):
            return "550 no such user" if address.startswith("never") else "451 try later"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(list(envelope.rcpt_tos))
        return await super().handle_DATA(server, session, envelope)


@pytest.fixture
def post() -> Iterator[SelectiveMailbox]:
    post = SelectiveMailbox()
    post.start()
    yield post
    post.stop()


def task(post: Mailbox) -> Task:
    return email_send_task(Mailer(smtp_server(post.url), "duebook@example.org"))


async def test_a_mail_has_text_and_html_and_one_id_for_all_attempts(post: SelectiveMailbox) -> None:
    result = await run(task(post), MAIL)
    (mail,) = post.messages
    assert (mail["From"], mail["To"], mail["Subject"]) == ("duebook@example.org", "a@example.com", "Grüße")
    assert result == {"message_id": mail["Message-ID"], "refused": {}}
    assert mail["Message-ID"] == f"<{UUID(int=1)}.2@duebook>"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert (text.get_content().strip(), html.get_content().strip()) == ("plain", "<b>rich</b>")


@pytest.mark.parametrize("part", ["text", "html"])
async def test_text_or_html_alone_is_enough(post: SelectiveMailbox, part: str) -> None:
    await run(task(post), {"to": ["a@example.com"], "subject": "s", part: "x\ny"})
    assert post.messages[0].get_content_subtype() == {"text": "plain", "html": "html"}[part]


async def test_each_recipient_gets_the_mail_once(post: SelectiveMailbox) -> None:
    await run(task(post), MAIL | {"to": ["a@example.com", "b@example.com", "a@example.com"]})
    assert post.envelopes == [["a@example.com", "b@example.com"]]
    assert post.messages[0]["To"] == "a@example.com, b@example.com"


async def test_an_international_domain_is_mailed_as_xn(post: SelectiveMailbox) -> None:
    await run(task(post), MAIL | {"to": ["ops@exämple.com", "ops@straße.de"]})
    assert post.envelopes == [["ops@xn--exmple-cua.com", "ops@xn--strae-oqa.de"]]
    assert post.messages[0]["To"] == "ops@xn--exmple-cua.com, ops@xn--strae-oqa.de"


async def test_an_encoded_word_in_a_subject_forges_no_header(post: SelectiveMailbox) -> None:
    subject = "=?utf-8?b?b2sNClJlcGx5LVRvOiBldmlsQGV4YW1wbGUuY29t?="  # ok\r\nReply-To: evil@example.com
    await run(task(post), MAIL | {"subject": subject})
    (mail,) = post.messages
    assert mail["Reply-To"] is None
    assert mail["Subject"] == subject.replace("=?", "= ?")


async def test_a_refused_recipient_is_named_and_the_others_get_one_mail(post: SelectiveMailbox) -> None:
    lines: list[str] = []
    result = await run(task(post), MAIL | {"to": ["a@example.com", "never@example.com"]}, lines.append)
    assert result["refused"] == {"never@example.com": "550 no such user"}
    assert lines == ["never@example.com was refused: 550 no such user"]


async def test_only_a_permanent_refusal_prevents_a_retry(post: SelectiveMailbox) -> None:
    for to, retry in (("never@example.com", False), ("later@example.com", True)):
        with pytest.raises(Fail) as failed:
            await run(task(post), MAIL | {"to": to})
        assert failed.value.retry is retry
    post.stop()
    with pytest.raises(Fail) as failed:
        await run(task(post), MAIL)
    assert failed.value.retry


async def test_without_a_server_the_failure_names_the_setting() -> None:
    with pytest.raises(Fail, match="DUEBOOK_SMTP_URL"):
        await run(email_send_task(None), MAIL)


@pytest.mark.parametrize(
    "change",
    [
        {"to": []},
        {"to": "nobody"},
        {"to": ["a@example.com"] * 101},
        {"to": "a@example.com, b@example.com"},
        {"to": "Ops <a@example.com>"},
        {"to": ["a@example.com", f"{'x' * 65}@example.com"]},
        {"to": "=?utf-8?q?a?=@example.com"},
        {"subject": "x\r\nBcc: c@example.com"},
        {"subject": "two\u2028lines"},
        {"subject": "two\x85lines"},
        {"subject": ""},
        {"text": None, "html": None},
        {"text": 7},
        {"cc": "c@example.com"},
    ],
)
async def test_an_invalid_mail_is_refused_before_it_is_sent(post: SelectiveMailbox, change: dict[str, Any]) -> None:
    with pytest.raises(Fail) as failed:
        await run(task(post), MAIL | change)
    assert not failed.value.retry
    assert post.messages == []


@pytest.mark.parametrize(
    "payload",
    [
        {"subject": "s", "text": "t"},
        {"to": "a@example.com", "subject": "s"},
        {"to": "a@example.com", "text": "t"},
        {"to": "a@example.com", "subject": "a\nb", "text": "t"},
        {"to": [], "subject": "s", "text": "t"},
        MAIL | {"to": "Ops <a@example.com>"},
        MAIL | {"to": ["a@example.com", f"{'x' * 65}@example.com"]},
        MAIL | {"to": "a@☃.com"},
        MAIL | {"subject": "two\u2028lines"},
        MAIL | {"subject": "two\x85lines"},
        MAIL | {"bcc": "x"},
    ],
)
def test_the_json_schema_refuses_an_invalid_mail_too(payload: dict[str, Any]) -> None:
    schemas = TaskSchemas({"email.send": email_send_task(None).json_schema()})
    schemas.must_accept("email.send", MAIL)
    schemas.must_accept("email.send", MAIL | {"to": ["a@example.com", "b@example.com"]})
    with pytest.raises(Problem):
        schemas.must_accept("email.send", payload)


def test_a_refusal_names_the_reason() -> None:
    schemas = TaskSchemas({"email.send": email_send_task(None).json_schema()})
    with pytest.raises(Problem, match="one line, without line breaks"):
        schemas.must_accept("email.send", MAIL | {"subject": "two\u2028lines"})
    with pytest.raises(Problem, match="65 characters before the @; at most 64"):
        schemas.must_accept("email.send", MAIL | {"to": f"{'x' * 65}@example.com"})


def test_the_schema_says_what_a_mail_without_content_lacks() -> None:
    schemas = TaskSchemas({"email.send": email_send_task(None).json_schema()})
    with pytest.raises(Problem, match=r'"text" is a required property or "html" is a required property'):
        schemas.must_accept("email.send", {"to": "a@example.com", "subject": "s"})
