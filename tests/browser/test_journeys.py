"""Ten things for which people come, each from its beginning to its end; the incident is a file of its own."""

import asyncio
import re
from datetime import UTC, datetime
from uuid import UUID

import orjson
from playwright.async_api import expect

from browser.console import Console, dialog_of, is_live
from duebook_common.domain.mail import MailFailed, message_id
from duebook_common.store.actor import Actor
from duebook_common.store.mail_handling import MailResult, record_mails
from support.api_app import Api, running_api

BEFORE_GAP = "2099-03-27T05:00:00+01:00"  # two days before the clocks leave out an hour in Berlin
OPS, TOPIC = "ops@example.com", "dead_lettered-3"


async def test_the_first_job_is_made_and_run_in_an_empty_installation(new_console: Console) -> None:
    page = await new_console.page("/console/jobs")
    await expect(page.get_by_text("duebook job create")).to_be_visible()
    await page.get_by_role("link", name="New job").click()
    await page.get_by_label("Name").fill("my first job")
    await page.wait_for_load_state()
    await page.get_by_label("Runs", exact=True).select_option("every")
    await page.get_by_label("Expression").fill("PT5M")
    await expect(page.locator("#schedule-preview")).to_contain_text("Every 5 minutes")
    await page.get_by_role("button", name="Create").click()
    await expect(page.locator("h1")).to_have_text("my first job")
    dialog = await dialog_of(page.get_by_role("link", name="Run now…"))
    await dialog.get_by_role("button", name="Run now").click()
    await expect(page.locator("#why")).to_be_visible()
    await page.get_by_role("link", name="Runs").first.click()
    await expect(page.locator("#runs tbody tr")).to_have_count(1)


async def test_why_a_run_does_not_start_leads_to_the_queue_that_is_resumed(console: Console) -> None:
    async with running_api(console.postgres_url) as api:
        job = await api.create(name="payouts", queue="payouts")
        await api.json(200, "POST", "/api/queue/payouts/pause", {"reason": "bank holiday"})
        await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    page = await console.page("/console/runs?queue=payouts")
    await page.locator("#runs tbody tr a").first.click()
    await expect(page.locator("#why")).to_contain_text("bank holiday")
    run = page.url
    await page.locator("#navigation").get_by_role("link", name="Queues").click()
    dialog = await dialog_of(page.locator("#queue-payouts").get_by_role("link", name="Resume…"))
    await dialog.get_by_role("button", name="Resume").click()
    await expect(page.locator("#queue-payouts")).not_to_contain_text("bank holiday")
    await page.goto(run)
    await expect(page.locator("#why > p").first).not_to_contain_text("bank holiday")


async def test_an_edited_schedule_is_previewed_with_its_clock_changes(console: Console) -> None:
    async with running_api(console.postgres_url) as api:
        schedule = {"recurrence": {"cron": "0 5 * * *"}, "timezone": "Europe/Berlin", "scheduled_at": BEFORE_GAP}
        job = await api.create(name="edited", **schedule)
    page = await console.page(f"/console/jobs/{job['id']}")
    await page.get_by_role("link", name="Edit").click()
    await page.get_by_label("Expression").wait_for()
    await page.wait_for_load_state()
    await page.get_by_label("Expression").fill("30 2 * * *")
    await expect(page.locator("#schedule-preview")).to_contain_text("At 02:30")
    await expect(page.locator("#schedule-preview .notes")).to_contain_text("2099-03-29")
    await page.get_by_label("Expression").blur()
    await expect(page.locator("#fleet")).to_contain_text("No time is added or removed")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("link", name="Definition").click()
    await expect(page.locator("main")).to_contain_text("30 2 * * *")
    await expect(page.locator(".diff .removed")).to_contain_text("0 5 * * *")


async def test_a_year_of_the_ledger_leads_to_a_day_a_run_and_why(console: Console) -> None:
    page = await console.page(f"/console/jobs/{console.jobs['nightly report']}")
    await page.locator("a[aria-label*='dead letter']").first.click()
    times = page.locator("tr[id^=time-]")
    await times.get_by_role("link", name="why").first.click()
    await expect(page.locator("#why")).to_contain_text("dead letter")
    await times.locator("a[href*='/console/runs/']").first.click()
    await expect(page.locator("h1")).to_have_text("nightly report")
    await expect(page.locator("#attempts tbody tr")).to_have_count(4)
    await page.get_by_text("because", exact=True).click()
    await expect(page.locator("ol.because li").nth(1)).to_be_visible()


async def test_one_is_tried_with_an_edited_payload_and_the_rest_redriven(console: Console) -> None:
    async with running_api(console.postgres_url) as api:
        for invoice in range(3):
            await api.dead_letter("KeyError: day", name="bench", queue="bench", payload={"invoice": invoice})
    page = await console.page("/console/dead-letters?queue=bench")
    await expect(page.locator("#lead")).to_contain_text("3 runs failed alike")
    bench = page.locator("#workbench")
    await bench.get_by_label("Payload").fill('{"invoice": 7, "day": "today"}')
    await expect(bench.locator("#check .added").first).to_contain_text('"day": "today"')
    await bench.get_by_label("Reason").fill("with the day")
    await bench.get_by_role("button", name="Try this one").click()
    await page.goto("/console/dead-letters?queue=bench")
    await expect(page.locator("#lead")).to_contain_text("2 runs failed alike")
    dialog = await dialog_of(page.get_by_role("link", name="Redrive the group…"))
    await dialog.get_by_label("Reason").fill("it works")
    await dialog.locator("button:not([type])").last.click()
    await expect(page.locator("h1")).to_contain_text("Redriving 2 dead letters")


async def test_a_key_is_shown_once_signs_in_and_ends_its_session_when_revoked(console: Console) -> None:
    console.expected = {401, 403}
    page = await console.page("/console/keys")
    dialog = await dialog_of(page.get_by_role("link", name="Make a key…"))
    await dialog.get_by_label("Name").fill("a colleague")
    await dialog.locator("[name='scope-read']").check()
    await dialog.get_by_role("button", name="Make the key").click()
    key = await page.locator(".copyable code").inner_text()
    await page.get_by_role("link", name="All keys").click()
    await page.wait_for_url("**/console/keys")
    assert key not in await page.content()
    colleague = await console.page("/console/jobs", key=None)
    await colleague.get_by_label("Key").fill(key)
    await colleague.get_by_role("button", name="Sign in").click()
    await expect(colleague.locator("h1")).to_have_text("Jobs")
    await colleague.get_by_role("button", name="Live").click()  # its stream would complain about its end
    dialog = await dialog_of(page.locator("tr", has_text="a colleague").get_by_role("link", name="Revoke…"))
    await dialog.get_by_label("Reason").fill("has left")
    await dialog.get_by_role("button", name="Revoke").click()
    await expect(page.locator("tr", has_text="a colleague")).to_contain_text("revoked")
    async with asyncio.timeout(30):
        while "/sign-in" not in colleague.url:
            await colleague.goto("/console/jobs")


async def test_a_colleague_is_handed_a_run_as_it_stood_and_may_only_read(console: Console) -> None:
    async with running_api(console.postgres_url) as api:
        run = await api.dead_letter("the disk is full", name="handed over", payload={"secret": "of-the-payload"})
    page = await console.page(f"/console/runs/{run['id']}")
    await expect(page.get_by_text("of-the-payload")).to_be_visible()
    await page.get_by_label("As of").press("ArrowLeft")
    await expect(page.locator("main .notice")).to_contain_text("As it stood at")
    await expect(page).to_have_url(re.compile("as_of="))
    colleague = await console.page(page.url, key=await console.key("jobs:read", "runs:read"))
    await expect(colleague.locator("main .notice")).to_contain_text("As it stood at")
    await expect(colleague.locator("#attempts")).to_contain_text("the disk is full")
    await expect(colleague.get_by_text("payloads:read").first).to_be_visible()
    for path in (f"/console/runs/{run['id']}", f"/console/jobs/{run['job_id']}", "/console/runs"):
        await colleague.goto(path)
        assert "of-the-payload" not in await colleague.content()
        assert await colleague.locator("main [data-dialog], main .button.primary").count() == 0


async def test_a_forecast_with_a_change_set_is_handed_over_by_its_url(console: Console) -> None:
    page = await console.page("/console/forecast?queue=slow")
    await page.locator("#change-set summary").click()
    change = {"job_id": console.jobs["refresh search index"], "patch": {"recurrence": {"every": "PT5M"}}}
    await page.get_by_label("Changes").fill(orjson.dumps([change]).decode())
    await page.get_by_role("button", name="Show the difference").click()
    await expect(page.locator("p.answer")).to_contain_text("192 more than without the changes")
    colleague = await console.page(page.url, key=await console.key("jobs:read"))
    await expect(colleague.locator("p.answer")).to_contain_text("192 more than without the changes")
    await expect(colleague.get_by_role("heading", name="Times that are added")).to_be_visible()


async def test_events_of_one_job_are_followed_live(console: Console) -> None:
    async with running_api(console.postgres_url) as api:
        job = await api.create(name="followed")
        page = await console.page(f"/console/events?job_id={job['id']}&view=follow")
        await expect(page.locator("#events tbody tr")).to_have_count(1)
        await is_live(page)
        await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    await expect(page.locator("#events tbody tr").first).to_contain_text("Run")


async def _given_up(api: Api) -> None:
    """A run's mail that the mail server refused for good."""
    run = await api.dead_letter(name="mailed")
    run_id = UUID(run["id"])
    failed = MailFailed(
        outcome=TOPIC,
        recipient=OPS,
        message_id=message_id(run_id, TOPIC, OPS),
        at=datetime.now(UTC),
        error="550 mailbox unavailable",
        tries=8,
        retry_at=None,
    )
    await record_mails(api.deps.pool, [MailResult(run_id, UUID(run["job_id"]), failed)], Actor("notifier a"))


async def test_a_mail_that_was_given_up_is_sent_again(console: Console) -> None:
    async with running_api(console.postgres_url) as api:
        await _given_up(api)
    page = await console.page("/console/mails?status=given_up")
    row = page.locator("#mails tbody tr", has_text="mailed")
    await expect(row).to_contain_text("550 mailbox unavailable")
    dialog = await dialog_of(row.get_by_role("link", name="Send again…"))
    await dialog.get_by_label("Reason").fill("the mailbox is back")
    await dialog.locator("button:not([type])").last.click()
    await expect(page.locator("#messages")).to_contain_text(f"The mail to {OPS} is on its way.")
