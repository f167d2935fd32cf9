"""The page of the mails, and the form that sends one again."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from duebook_common.domain.mail import MailFailed, message_id
from duebook_common.store.actor import Actor
from duebook_common.store.mail_handling import MailResult, record_mails
from support.api_app import Api
from support.console import get, submit

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOSTILE = "</script><img src=x onerror=alert(1)>"
TOPIC, RECIPIENT = "dead_lettered-3", "ops@example.com"


async def given_up(api: Api, job_id: UUID) -> str:
    """The id of a mail that the server refused for good."""
    run_id = uuid4()
    failed = MailFailed(
        outcome=TOPIC,
        recipient=RECIPIENT,
        message_id=message_id(run_id, TOPIC, RECIPIENT),
        at=NOW,
        error=HOSTILE,
        tries=8,
        retry_at=None,
    )
    assert await record_mails(api.deps.pool, [MailResult(run_id, job_id, failed)], Actor("notifier a"))
    [shown] = (await api.json(200, "GET", f"/api/notification?run_id={run_id}"))["items"]
    return str(shown["id"])


async def test_an_empty_installation_says_how_outcomes_are_mailed(api: Api) -> None:
    assert "No mail was sent yet" in await get(api, "/console/mails")


async def test_a_mail_that_was_given_up_is_sent_again(api: Api) -> None:
    job = await api.create(name=HOSTILE)
    id_ = await given_up(api, UUID(job["id"]))
    page = await get(api, "/console/mails")
    assert "1 mail on this page; 1 was given up." in page
    assert "<img" not in page
    assert "No mail matches" in await get(api, "/console/mails?status=sent")
    assert RECIPIENT in await get(api, f"/console/mails/{id_}/resend")
    answer = await submit(api, f"/console/mails/{id_}/resend", reason="mail server is back")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/mails")
    assert (await api.json(200, "GET", f"/api/notification/{id_}"))["status"] == "retrying"
    await get(api, "/console/mails/none/resend", 404)
