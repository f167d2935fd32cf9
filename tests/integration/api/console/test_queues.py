"""The page of the queues: what waits, and the pauses, each with its form."""

from support.api_app import Api
from support.console import get, submit

HOSTILE = "</script><img src=x onerror=alert(1)>"


async def test_an_empty_installation_says_how_a_queue_comes_to_be(api: Api) -> None:
    assert "There is no queue yet" in await get(api, "/console/queues")


async def test_a_queue_is_paused_and_resumed_with_a_reason(api: Api) -> None:
    job = await api.create(queue="mail")
    await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    assert "Pause the queue “mail”" in await get(api, "/console/queues/mail/pause")
    answer = await submit(api, "/console/queues/mail/pause", reason=HOSTILE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/queues")
    page = await get(api, "/console/queues")
    assert "1 queue is paused." in page
    assert "paused by anonymous" in page
    assert "<img" not in page
    assert (await api.json(200, "GET", "/api/queue/mail"))["pause"]["reason"] == HOSTILE
    assert "1 paused</span>" in await get(api, "/console/jobs")  # the navigation of every page
    await get(api, "/console/queues/mail/resume")
    await submit(api, "/console/queues/mail/resume")
    assert (await api.json(200, "GET", "/api/queue/mail"))["pause"] is None
    assert "1 paused</span>" not in await get(api, "/console/jobs")


async def test_the_installation_is_frozen_and_thawed(api: Api) -> None:
    await get(api, "/console/freeze")
    await submit(api, "/console/freeze", reason="moving")
    page = await get(api, "/console/queues")
    assert "The installation is frozen." in page
    assert "moving" in page
    assert "frozen</span>" in await get(api, "/console/events")
    assert "<strong>Everything is frozen</strong>" in await get(api, "/console")
    assert "/console/thaw" in page
    await get(api, "/console/thaw")
    await submit(api, "/console/thaw")
    assert "The installation is frozen." not in await get(api, "/console/queues")


async def test_a_queue_that_does_not_exist_is_not_paused(api: Api) -> None:
    await get(api, "/console/queues/none/pause", 404)
    assert (await submit(api, "/console/queues/none/pause")).status_code == 404
    assert (await submit(api, "/console/queues/BAD%20NAME/pause")).status_code == 422
