"""Mails over the API: found by what they are about, and sent again once for each request."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_api.mails.routes import NotificationQuery, statement
from duebook_common.domain.mail import MailEvent, MailFailed, MailHeld, MailSent, message_id
from duebook_common.store.actor import Actor
from duebook_common.store.mail_handling import MailResult, record_mails
from support.api_app import Api
from support.bookkeeping import grow_mails
from support.query_cost import query_cost

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TOPIC = "dead_lettered-3"


def result(kind: str, run_id: UUID, recipient: str) -> MailEvent:
    about: dict[str, Any] = {
        "outcome": TOPIC, "recipient": recipient, "message_id": message_id(run_id, TOPIC, recipient), "at": NOW,
    }  # fmt: skip
    if kind == "sent":
        return MailSent(**about)
    if kind == "held":
        return MailHeld(until=NOW, **about)
    return MailFailed(error="450 busy", tries=8, retry_at=NOW if kind == "retrying" else None, **about)


async def mail(api: Api, kind: str, recipient: str = "ops@example.com", job_id: UUID | None = None) -> dict[str, Any]:
    """A mail of a run of its own, as the API shows it."""
    run_id = uuid4()
    recorded = MailResult(run_id, job_id or uuid4(), result(kind, run_id, recipient))
    assert await record_mails(api.deps.pool, [recorded], Actor("notifier a"))
    [shown] = (await api.json(200, "GET", f"/api/notification?run_id={run_id}"))["items"]
    return dict(shown)


async def requests(api: Api) -> int:
    count = "SELECT count(*) FROM events WHERE type = 'MailResendRequested'"
    return int(await api.deps.pool.fetchval(count))


async def test_a_mail_is_found_by_its_status_run_job_and_recipient(api: Api) -> None:
    job = await api.create(name="nightly")
    sent = await mail(api, "sent", "a@example.com", UUID(job["id"]))
    given_up = await mail(api, "given_up", "b@example.com")
    assert (sent["job_name"], sent["outcome"], sent["tries"]) == ("nightly", "dead_lettered", 1)
    assert (given_up["status"], given_up["error"], given_up["tries"]) == ("given_up", "450 busy", 8)
    assert await api.json(200, "GET", f"/api/notification/{sent['id']}") == sent
    for filters, expected in (
        ("status=sent", [sent]), ("status=given_up,retrying", [given_up]), ("status=sent,given_up", [given_up, sent]),
        (f"job_id={job['id']}", [sent]), ("recipient=b@example.com", [given_up]), (f"run_id={uuid4()}", []),
    ):  # fmt: skip
        found = await api.pages(f"/api/notification?{filters}", 1)
        assert sorted(each["id"] for each in found) == sorted(each["id"] for each in expected), filters
    for unknown in ("x", f"{uuid4()}.{TOPIC}.0123456789abcdef", f"{sent['id']}0"):
        await api.json(404, "GET", f"/api/notification/{unknown}")
        await api.json(404, "POST", f"/api/notification/{unknown}/resend")


@pytest.mark.parametrize("kind", ["sent", "given_up", "retrying"])
async def test_a_resend_makes_the_mail_due_now_with_an_id_of_its_own(api: Api, kind: str) -> None:
    before = await mail(api, kind)
    path = f"/api/notification/{before['id']}/resend"
    after = await api.json(202, "POST", path, {"reason": "it got lost"})
    assert (after["status"], after["tries"], after["id"]) == ("retrying", 0, before["id"])
    assert after["message_id"] != before["message_id"]
    assert datetime.fromisoformat(after["next_try_at"]) <= api.deps.clock.now()
    assert await api.json(202, "POST", path) == after, "it is not sent yet"
    assert await requests(api) == 1
    [act] = (await api.json(200, "GET", "/api/audit?type=MailResendRequested"))["items"]
    assert (act["reason"], act["run_id"]) == ("it got lost", before["run_id"])


async def test_a_mail_that_waits_for_its_digest_is_not_sent_again(api: Api) -> None:
    held = await mail(api, "held")
    refused = await api.json(409, "POST", f"/api/notification/{held['id']}/resend")
    assert refused["code"] == "wrong_status"


async def test_a_request_with_an_idempotency_key_takes_effect_once(api: Api) -> None:
    one, other = await mail(api, "sent"), await mail(api, "sent")
    path = f"/api/notification/{one['id']}/resend"
    await api.json(202, "POST", path, {"reason": "a"}, Idempotency_Key="k")
    sent = result("sent", UUID(one["run_id"]), one["recipient"])
    recorded = [MailResult(UUID(one["run_id"]), UUID(one["job_id"]), sent)]
    assert await record_mails(api.deps.pool, recorded, Actor("notifier a"))
    again = await api.json(202, "POST", path, {"reason": "a"}, Idempotency_Key="k")
    assert (again["status"], await requests(api)) == ("sent", 1)
    refused = await api.json(422, "POST", path, {"reason": "b"}, Idempotency_Key="k")
    assert refused["code"] == "idempotency_key_reused"
    await api.json(202, "POST", path, {"reason": "b"})
    assert await requests(api) == 2
    await api.json(202, "POST", f"/api/notification/{other['id']}/resend", Idempotency_Key="k2")


@pytest.mark.parametrize(
    "filters",
    [
        {}, {"status": ("sent",)}, {"status": ("given_up",)}, {"status": ("held", "retrying")},
        {"recipient": "none@example.com"}, {"recipient": "a@example.com"}, {"job_id": str(UUID(int=7))},
        {"recipient": "a@example.com", "status": ("given_up",)},
    ],
)  # fmt: skip
async def test_a_list_of_mails_reads_few_rows_of_many(api: Api, filters: dict[str, Any]) -> None:
    await grow_mails(api.deps.pool, 20_000)
    text, arguments = statement(NotificationQuery(**filters))
    found = await query_cost(api.deps.pool, text, *arguments)
    assert found.buffers < 150, found
