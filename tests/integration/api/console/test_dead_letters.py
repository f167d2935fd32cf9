"""Dead letters by cause, and the workbench."""

from html import unescape

from duebook_common.store.database import Pool
from support.api_app import Api, running_api
from support.console import get, hidden, make_key, sign_in, submit

SCHEMA = '{"type": "object", "properties": {"invoice": {"type": "integer"}}, "required": ["invoice"]}'
PATH = "/console/dead-letters"


async def _register(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO tasks (name, payload_schema, seen_at) VALUES ('billing', $1::text::jsonb, now())", SCHEMA
    )


async def test_causes_are_counted_and_the_most_frequent_one_is_open(api: Api) -> None:
    for _ in range(3):
        await api.dead_letter("HTTP 503 from billing.example.com:443", name="invoice")
    await api.dead_letter("ConnectionRefused db-replica:5432", name="other")
    page = await get(api, PATH)
    assert "3 runs failed alike since" in page
    assert "4 dead letters in 2 groups" in page
    assert 'id="workbench"' in page
    assert "HTTP 503" in page


async def test_a_link_to_one_run_opens_its_group_and_its_workbench(api: Api) -> None:
    await api.dead_letter("boom", name="first")
    await api.dead_letter("boom", name="second")
    rare = await api.dead_letter("Rare: never seen", name="rare one")
    page = await get(api, f"{PATH}?run={rare['id']}")
    assert "1 run failed since" in page
    assert f'action="{PATH}/{rare["id"]}"' in page
    assert "no dead letter any more" not in page


async def test_an_edited_payload_is_checked_by_the_schema_and_compared_by_lines(api: Api) -> None:
    await _register(api.deps.pool)
    run = await api.dead_letter(name="invoice", task="billing", payload={"invoice": 2**60})
    path = f"{PATH}/{run['id']}"
    wrong = await submit(api, path, do="check", payload='{"invoice": "x"}')
    assert wrong.status_code == 200
    text = unescape(wrong.text)
    assert "does not fit the schema of billing" in text
    assert "/payload/invoice" in text
    right = unescape((await submit(api, path, do="check", payload='{"invoice": 5}')).text)
    assert "fits the schema of billing" in right
    assert f'-   "invoice": {2**60}' in right
    assert '+   "invoice": 5' in right
    broken = unescape((await submit(api, path, do="check", payload='{"invoice": ')).text)
    assert "is not JSON" in broken


async def test_one_is_tried_with_its_edited_payload(api: Api) -> None:
    await _register(api.deps.pool)
    run = await api.dead_letter(name="invoice", task="billing", payload={"invoice": 1})
    path = f"{PATH}/{run['id']}"
    refused = await submit(api, path, do="try", payload='{"invoice": "x"}', reason="try")
    assert refused.status_code == 422
    assert 'value="try"' in refused.text
    answer = await submit(api, path, do="try", payload='{"invoice": 2}', reason="the invoice was wrong")
    assert answer.headers["location"] == f"/console/runs/{run['id']}"
    shown = await api.json(200, "GET", f"/api/run/{run['id']}")
    assert (shown["status"], shown["payload"]) == ("retrying", {"invoice": 2})
    page = await get(api, answer.headers["location"])
    assert "with an edited payload" in page
    assert " failed since the last redrive" in page


async def test_an_unchanged_payload_stays_that_of_the_job(api: Api) -> None:
    run = await api.dead_letter(payload={"n": 1})
    await submit(api, f"{PATH}/{run['id']}", do="try", payload='{"n": 1}', reason="again")
    [event] = [
        each
        for each in (await api.json(200, "GET", f"/api/run/{run['id']}/events"))["items"]
        if each["type"] == "RunRedriven"
    ]
    assert event["data"]["own_payload"] is False


async def test_one_is_discarded_with_a_reason(api: Api) -> None:
    run = await api.dead_letter()
    path = f"{PATH}/{run['id']}"
    assert (await submit(api, f"{path}/discard", reason="")).status_code == 422
    assert (await submit(api, f"{path}/discard", reason="obsolete")).status_code == 303
    assert (await api.json(200, "GET", f"/api/run/{run['id']}"))["status"] == "discarded"
    assert (await api.http.get(path)).headers["location"] == f"/console/runs/{run['id']}"
    assert "No run has failed for good" in await get(api, PATH)


async def test_a_group_is_redriven_from_its_page_with_progress_there(api: Api) -> None:
    for _ in range(2):
        await api.dead_letter("boom")
    links = [each for each in unescape(await get(api, PATH)).split('"') if each.startswith("/console/bulk/new")]
    dialog = await get(api, next(each for each in links if "action=redrive" in each))
    assert "Redrive 2 dead letters" in dialog
    assert "All failed alike, the newest with “boom”." in unescape(dialog)
    await submit(api, "/console/bulk/new", **hidden(dialog), reason="is back", rate="5")
    page = await get(api, PATH)
    assert "Redriving 2 dead letters at 5 a second" in page
    assert "0 of 2 done" in page


async def test_a_bulk_dialog_quotes_the_newest_error_of_its_whole_filter(api: Api) -> None:
    for error, queue in (
        ("boom after 10001 ms", "mail"),
        ("boom after 10002 ms", "mail"),
        ("boom after 10003 ms", "other"),
    ):
        await api.dead_letter(error, queue=queue)
    [fingerprint] = {each["fingerprint"] for each in (await api.json(200, "GET", "/api/dead-letter"))["items"]}
    wanted = {"action": "redrive", "fingerprint": fingerprint}
    for queue, error in (("mail", "boom after 10002 ms"), ("other", "boom after 10003 ms")):
        answer = await api.http.get("/console/bulk/new", params=wanted | {"queue": queue})
        assert f"All failed alike, the newest with “{error}”." in unescape(answer.text)
    times = {"finished_from": "2020-01-01T00:00:00Z", "finished_to": "2020-01-02T00:00:00Z"}
    assert "the newest with" not in (await api.http.get("/console/bulk/new", params=wanted | times)).text


async def test_without_the_scope_the_payload_is_neither_shown_nor_edited(postgres_url: str) -> None:
    async with running_api(postgres_url) as api:
        run = await api.dead_letter(payload={"secret": "a-secret"})
    async with running_api(postgres_url, key="the-key-of-the-environment-0123456789") as guarded:
        await sign_in(guarded, await make_key(guarded.deps.pool, "dead-letters:read", "dead-letters:write"))
        for path in (PATH, f"{PATH}/{run['id']}"):
            page = await get(guarded, path)
            assert "a-secret" not in page
            assert "payloads:read" in page
        answer = await submit(guarded, f"{PATH}/{run['id']}", do="try", payload="{}", reason="try")
        assert answer.status_code == 303
        payload = await guarded.deps.pool.fetchval("SELECT own_payload FROM runs WHERE run_id = $1::uuid", run["id"])
        assert payload is False
