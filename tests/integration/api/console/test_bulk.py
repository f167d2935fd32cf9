"""The dialog, the list and the page of bulk operations, over the api's own database."""

import re
from html import unescape

from support.api_app import Api
from support.console import get, hidden, submit

DIALOG = "/console/bulk/new?action=redrive&all=true&back=/console/runs"


async def test_a_dialog_counts_asks_for_a_reason_and_leads_to_the_progress(api: Api) -> None:
    await api.dead_letter()
    page = await get(api, DIALOG)
    assert "Redrive 1 dead letter" in page
    answer = await submit(api, "/console/bulk/new", **hidden(page), reason="billing is back", rate="5", limit="")
    assert answer.status_code == 303, answer.text
    shown = await get(api, answer.headers["location"])
    assert "billing is back" in shown
    assert "at 5 a second" in shown
    assert answer.headers["location"].rpartition("/")[2] in await get(api, "/console/bulk")


async def test_a_form_that_is_sent_twice_is_one_operation(api: Api) -> None:
    await api.dead_letter()
    fields = hidden(await get(api, DIALOG)) | {"reason": "twice"}
    paths = {(await submit(api, "/console/bulk/new", **fields)).headers["location"] for _ in range(2)}
    assert len(paths) == 1


async def test_a_wrong_field_is_named_and_the_rest_is_kept(api: Api) -> None:
    await api.dead_letter()
    answer = await submit(api, "/console/bulk/new", **hidden(await get(api, DIALOG)), reason="kept", rate="fast")
    assert answer.status_code == 422
    assert "rate: this must be a number" in answer.text
    assert 'value="kept"' in answer.text


async def test_an_operation_is_aborted_with_a_reason(api: Api) -> None:
    await api.dead_letter()
    fields = hidden(await get(api, DIALOG)) | {"reason": "begin"}
    path = (await submit(api, "/console/bulk/new", **fields)).headers["location"]
    assert "Abort" in await get(api, f"{path}/abort")
    assert (await submit(api, f"{path}/abort", reason="wrong ones")).status_code == 303
    page = await get(api, path)
    assert "wrong ones" in page
    assert "Abort…" not in page


async def test_a_dialog_never_leads_out_of_the_console(api: Api) -> None:
    page = await get(api, "/console/bulk/new?action=cancel&all=true&back=https://example.com")
    assert re.findall(r'href="([^"]*)" data-close', page) == ["/console/bulk"]


async def test_the_list_of_jobs_acts_on_all_that_match_its_filter(api: Api) -> None:
    for queue in ("mail", "mail", "other"):
        await api.create(queue=queue)
    page = unescape(await get(api, "/console/jobs?queue=mail"))
    [link] = re.findall(r'href="(/console/bulk/new[^"]*action=pause[^"]*)"', page)
    dialog = await get(api, link)
    assert "Pause 2 jobs" in dialog
    assert hidden(dialog)["filter.queue"] == "mail"
    answer = await submit(api, "/console/bulk/new", **hidden(dialog), reason="provider down")
    assert "Pausing 2 jobs" in await get(api, answer.headers["location"])
