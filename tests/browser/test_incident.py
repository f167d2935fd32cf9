"""An incident from a mail to its end, without a typed command: 60 runs fail in three ways, and some hang."""

import asyncio
import time
from datetime import timedelta
from uuid import UUID

from playwright.async_api import Page, expect

from browser.console import LIVE_MS, Console, axe_violations
from duebook_common.domain.run.commands import StartAttempt
from duebook_common.store.actor import Actor
from duebook_common.store.bulk_acts import BulkLimits
from duebook_common.store.bulk_handling import BulkExecutor
from support.api_app import Api, fail_for_good, running_api

CAUSES = {
    "HTTP 503 from billing.example.com:443: maintenance": 40,
    "ConnectionRefusedError: db-replica:5432": 15,
    "ValidationError: /day: this field is required": 5,
}
HANGING = {"tenant-2": 2, "tenant-7": 3}
YEAR = timedelta(days=365)


async def _fail(api: Api, job_id: str, error: str) -> str:
    run = await api.json(202, "POST", f"/api/job/{job_id}/trigger")
    await api.execute(run["id"], *fail_for_good(error))
    return str(run["id"])


async def _hang(api: Api, tag: str) -> str:
    job = await api.create(name=f"import of {tag}", queue="billing", tags=[tag])
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    await api.execute(run["id"], StartAttempt(0, "executor-7", timedelta(hours=1), api.deps.clock.now()))
    return str(run["id"])


async def _incident(api: Api) -> dict[str, list[str]]:
    """Let runs fail and hang; returns those that hang, by the tag of their job."""
    for n, (error, count) in enumerate(CAUSES.items()):
        job = await api.create(name=f"invoice {n}", queue="billing", payload={"invoice": n})
        await asyncio.gather(*(_fail(api, job["id"], error) for _ in range(count)))
    return {tag: [await _hang(api, tag) for _ in range(count)] for tag, count in HANGING.items()}


class _Worker:
    """Deals with bulk operations when the test says so, as a scheduler would."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._executor = BulkExecutor(api.deps.pool, BulkLimits(timedelta(minutes=1), 1_000), Actor("scheduler-1"))

    async def work(self, page: Page, ahead: timedelta = YEAR) -> None:
        """Deal with what the page is about, as far as its rate allows within the time that lies ahead."""
        bulk_id, now = UUID(page.url.rpartition("/")[2]), self._api.deps.clock.now()
        at, until = now, now + ahead
        while (step := await self._executor.step(bulk_id, at, wait=True)).goes_on_at is not None:
            if step.goes_on_at > until:
                break
            at = step.goes_on_at


async def _begin(page: Page, link: str, **fields: str) -> None:
    """Fill in the dialog of a bulk operation, and arrive at its page."""
    await expect(page.get_by_role("link", name=link)).to_be_visible(timeout=LIVE_MS)
    await page.wait_for_load_state()
    await page.get_by_role("link", name=link).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_label("Reason")).to_be_visible()
    assert await axe_violations(page) == []
    for label, value in fields.items():
        await dialog.get_by_label(label.replace("_", " "), exact=False).fill(value)
    await dialog.locator("button:not([type])").last.click()
    await page.wait_for_url("**/console/bulk/*")


async def _see_the_causes(console: Console, fingerprint: str) -> Page:
    """The mail leads to those that failed alike; without its filter all causes stand beside each other."""
    page = await console.page(f"/console/dead-letters?fingerprint={fingerprint}")
    await expect(page.locator("#lead")).to_contain_text("40 runs failed alike since")
    await page.get_by_role("link", name="Clear").click()
    await expect(page.locator("#causes header")).to_contain_text("60 dead letters in 3 groups")
    await expect(page.locator("#causes .number strong")).to_have_text(["40", "15", "5"])
    assert await axe_violations(page) == []
    return page


async def _pause_the_queue(page: Page) -> None:
    """So that nothing new fails meanwhile."""
    await page.locator("#navigation").get_by_role("link", name="Queues").click()
    await expect(page.locator("#queue-billing")).to_be_visible(timeout=LIVE_MS)
    await page.wait_for_load_state()
    await page.locator("#queue-billing").get_by_role("link", name="Pause…").click()
    await page.get_by_role("dialog").get_by_label("Reason").fill("provider down")
    await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    await expect(page.locator("#queue-billing")).to_contain_text("provider down")


async def _redrive(page: Page, worker: _Worker) -> None:
    """Ten as a trial, then the rest at five a second; the page follows."""
    await page.get_by_role("link", name="Dead letters").first.click()
    await _begin(page, "Redrive the group…", Reason="a trial", In_all="10")
    await expect(page.locator("h1")).to_contain_text("Redriving 10 dead letters")
    await worker.work(page)
    await expect(page.locator("#progress")).to_contain_text("10 of 10 done", timeout=LIVE_MS)
    await page.get_by_role("link", name="Dead letters").first.click()
    await expect(page.locator("#lead")).to_contain_text("30 runs failed alike")
    await _begin(page, "Redrive the group…", Reason="billing is back", A_second="5")
    await expect(page.locator("h1")).to_contain_text("Redriving 30 dead letters at 5 a second")
    await worker.work(page, timedelta(seconds=1))
    await expect(page.locator("#progress")).to_contain_text(" of 30 done", timeout=LIVE_MS)
    await expect(page.locator("#progress")).not_to_contain_text("0 of 30 done", timeout=LIVE_MS)


async def _hand_over(console: Console, page: Page, worker: _Worker) -> None:
    """A colleague gets the URL and sees the same."""
    other = await console.page(page.url)
    await expect(other.locator("h1")).to_contain_text("Redriving 30 dead letters at 5 a second")
    await worker.work(page)
    for each in (page, other):
        await expect(each.locator("#progress")).to_contain_text("30 of 30 done", timeout=LIVE_MS)
        await expect(each.locator("#facts div", has_text="ended")).to_contain_text(":", timeout=LIVE_MS)


async def _cancel_by_tag(page: Page, worker: _Worker) -> None:
    """The runs of one tenant hang, and are cancelled by their tag."""
    await page.goto("/console/runs?status=running")
    await expect(page.locator("#runs tbody tr")).to_have_count(sum(HANGING.values()))
    await page.locator("#more-filters summary").click()
    await page.get_by_label("Tag").fill("tenant-7")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.locator("#runs tbody tr")).to_have_count(HANGING["tenant-7"])
    await _begin(page, "Cancel matching…", Reason="tenant-7 hangs")
    await worker.work(page)
    await expect(page.locator("#progress")).to_contain_text("3 of 3 done", timeout=LIVE_MS)


async def test_an_incident_is_settled_from_a_mail_without_a_typed_command(new_console: Console) -> None:
    async with running_api(new_console.postgres_url) as api:
        hanging, worker = await _incident(api), _Worker(api)
        groups = (await api.json(200, "GET", "/api/dead-letter/groups"))["items"]
        began = time.monotonic()
        page = await _see_the_causes(new_console, groups[0]["fingerprint"])
        await _pause_the_queue(page)
        await _redrive(page, worker)
        await _hand_over(new_console, page, worker)
        await _cancel_by_tag(page, worker)
        print(f"settled {time.monotonic() - began:.0f} s after the mail was opened; two minutes are the aim")
        statement = "SELECT count(*) FILTER (WHERE cancel_requested) FROM runs WHERE run_id = ANY($1::uuid[])"
        requested = {tag: await api.deps.pool.fetchval(statement, ids) for tag, ids in hanging.items()}
        assert requested == {"tenant-2": 0, "tenant-7": 3}
