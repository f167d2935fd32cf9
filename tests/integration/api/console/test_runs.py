"""The list of runs and the page of one."""

from html import unescape
from uuid import UUID

from support.api_app import Api, running_api
from support.console import get, hidden, links, make_key, sign_in, submit


async def test_the_list_shows_what_the_filter_in_the_url_matches(api: Api) -> None:
    await api.dead_letter("boom", name="dead one")
    job = await api.create(name="other one")
    await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    both = await get(api, "/console/runs?status=dead_lettered&status=dispatched")
    one = await get(api, "/console/runs?status=dead_lettered&q=BOOM&task=")
    assert ("dead one" in both, "other one" in both) == (True, True)
    assert ("dead one" in one, "other one" in one) == (True, False)
    assert "1 run: 1 dead letter" in one


async def test_a_link_of_a_filtered_page_keeps_all_of_its_statuses(api: Api) -> None:
    page = await get(api, "/console/runs?status=running&status=waiting")
    zones = [unescape(link) for link in links(page) if "tz=UTC" in link]
    assert "status=running&status=waiting" in zones[0]


async def test_a_time_without_an_offset_moves_to_a_url_that_means_the_same_for_all(api: Api) -> None:
    answer = await api.http.get("/console/runs?due_from=2026-11-26T02:00&tz=Europe/Berlin")
    assert answer.status_code == 303
    assert "due_from=2026-11-26T02%3A00%3A00%2B01%3A00" in answer.headers["location"]
    assert 'value="2026-11-26T02:00:00"' in await get(api, answer.headers["location"])


async def test_the_list_offers_to_cancel_what_its_filter_matches(api: Api) -> None:
    page = unescape(await get(api, "/console/runs?queue=mail&status=running"))
    assert "/console/bulk/new?back=%2Fconsole%2Fruns%3Fqueue%3Dmail%26status%3Drunning&action=cancel" in page
    assert "/console/bulk/new" not in await get(api, "/console/runs?status=succeeded")
    assert "remove this filter" in await get(api, f"/console/runs?cause={UUID(int=1)}")


async def test_the_page_of_a_run_shows_its_attempts_error_payload_and_lineage(api: Api) -> None:
    run = await api.dead_letter("boom </script>", name="dead one", payload={"n": 2**60})
    page = unescape(await get(api, f"/console/runs/{run['id']}"))
    for text in ("It was dead-lettered", "executor-1", "boom </script>", str(2**60), "attempt 1: failed", "dead"):
        assert text in page
    assert (await api.http.get(f"/console/runs/{run['id']}/payload")).json() == {"n": 2**60}


async def test_the_page_of_a_run_shows_progress_and_the_levels_and_fields_of_lines(api: Api) -> None:
    run = await api.dead_letter("boom")
    pool = api.deps.pool
    put = "INSERT INTO progress (run_id, attempt, share, text, reported_at) VALUES ($1, $2, 0.4, '<b>2 of 5', now())"
    await pool.execute(put, UUID(run["id"]), run["attempt"])
    await pool.execute(
        "INSERT INTO log_lines (job_id, run_id, attempt, message, level, fields, logged_at)"
        " VALUES ($1, $2, 1, 'slow', 'warning', '{\"rows\": 3}', now())",
        UUID(run["job_id"]),
        UUID(run["id"]),
    )
    page = await get(api, f"/console/runs/{run['id']}")
    for text in ('<progress max="100" value="40"', "40 %: &lt;b&gt;2 of 5", ">warning</span>", "rows=3"):
        assert text in page


async def test_a_run_is_shown_as_it_stood_at_an_earlier_time(api: Api) -> None:
    run = await api.dead_letter("boom")
    [created, *_] = (await api.json(200, "GET", f"/api/run/{run['id']}/events"))["items"]
    page = await get(api, f"/console/runs/{run['id']}?as_of={created['recorded_at']}")
    assert "As it stood at" in page
    assert 'data-status="dispatched"' in page
    assert "boom" not in page


async def test_a_run_is_cancelled_with_a_reason(api: Api) -> None:
    job = await api.create()
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    path = f"/console/runs/{run['id']}"
    assert f"{path}/cancel" in await get(api, path)
    assert (await submit(api, f"{path}/cancel", reason="not needed")).status_code == 303
    page = await get(api, path)
    assert ("not needed" in page, f"{path}/cancel" in page, f"{path}/rerun" in page) == (True, False, True)


async def test_a_run_is_repeated_once_by_a_form_that_is_sent_twice(api: Api) -> None:
    job = await api.create(payload={"n": 1})
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    await submit(api, f"/console/runs/{run['id']}/cancel", reason="")
    fields = hidden(await get(api, f"/console/runs/{run['id']}/rerun"))
    answers = [await submit(api, f"/console/runs/{run['id']}/rerun", **fields) for _ in range(2)]
    assert len({answer.headers["location"] for answer in answers}) == 1
    page = await get(api, answers[1].headers["location"])
    assert run["id"] in page
    assert "sent already: it started this run" in page


async def test_without_the_scope_no_payload_result_or_log_line_is_shown(postgres_url: str) -> None:
    async with running_api(postgres_url) as api:
        run = await api.dead_letter("boom", payload={"secret": "a-secret"})
    async with running_api(postgres_url, key="the-key-of-the-environment-0123456789") as guarded:
        key = await make_key(guarded.deps.pool, "runs:read", "logs:read")
        await sign_in(guarded, key)
        page = await get(guarded, f"/console/runs/{run['id']}")
        assert "payloads:read" in page
        assert "a-secret" not in page
        assert "What the task wrote" not in page
        await get(guarded, f"/console/runs/{run['id']}/payload", 403)


async def test_the_search_of_the_bar_finds_an_error_where_no_job_has_such_a_name(api: Api) -> None:
    await api.dead_letter("HTTP 410 from billing", name="invoice")
    found = {}
    for text in ("invoice", "HTTP 410", "neither"):
        found[text] = (await api.http.get("/console/search", params={"q": text})).headers["location"]
    assert found["invoice"] == "/console/jobs?q=invoice"
    assert found["HTTP 410"] == "/console/runs?q=HTTP+410"
    assert "invoice" in await get(api, found["HTTP 410"])
    assert found["neither"] == "/console/runs?q=neither"
