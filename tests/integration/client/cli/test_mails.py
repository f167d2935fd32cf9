"""`duebook mail`. Against a real api and database."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from duebook_common.domain.mail import MailSent
from duebook_common.store.actor import Actor
from duebook_common.store.database import connect
from duebook_common.store.mail_handling import MailResult, record_mails
from support.program import Program


def add_mail(duebook: Program) -> None:
    async def add() -> None:
        sent = MailSent(
            outcome="succeeded-3", recipient="ops@example.com", message_id="<1@duebook>", at=datetime.now(UTC)
        )
        async with connect(duebook.environment["DUEBOOK_POSTGRES_URL"], "test") as pool:
            await record_mails(pool, [MailResult(uuid4(), uuid4(), sent)], Actor("notifier a"))

    asyncio.run(add())


def test_a_mail_is_listed_shown_and_sent_again(duebook: Program) -> None:
    add_mail(duebook)
    [mail] = duebook.data("mail", "list", "--status", "sent", "--to", "ops@example.com")
    assert duebook.data("mail", "show", mail["id"]) == mail
    assert "ops@example.com" in duebook("mail", "list").stdout
    requested = duebook.data("mail", "resend", mail["id"], "--reason", "it got lost", "--idempotency-key", "k")
    assert requested["status"] == "retrying"
    assert duebook.data("mail", "list", "--status", "sent") == []
    assert duebook("mail", "resend", "none").exit_code == 3
