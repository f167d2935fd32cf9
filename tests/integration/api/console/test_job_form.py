"""The form of a job makes and changes what the API makes and changes, and keeps what was typed when it is refused."""

import re
import time
from html import unescape

from duebook_api.console.pages.payload_form import sent_form
from support.api_app import Api
from support.console import controls, get, hidden, submit

FIELDS = {"name": "nightly", "kind": "cron", "rule": "0 2 * * 1-5", "timezone": "Europe/Berlin", "payload": '{"n": 1}'}


async def test_a_job_is_made_by_the_form(api: Api) -> None:
    assert "Next times" in await get(api, "/console/new-job")
    done = await submit(api, "/console/new-job", **FIELDS, tags="a, b")
    assert done.status_code == 303
    job = await api.json(200, "GET", f"/api/job/{done.headers['location'].rpartition('/')[2]}")
    assert (job["recurrence"], job["timezone"], job["tags"]) == ({"cron": "0 2 * * 1-5"}, "Europe/Berlin", ["a", "b"])


async def test_a_job_is_made_once_by_a_form_that_is_sent_twice(api: Api) -> None:
    once = hidden(await get(api, "/console/new-job"))
    refused = await submit(api, "/console/new-job", **FIELDS | {"rule": "61 * * * *"}, **once)
    assert hidden(refused.text) == once
    answers = []
    for name in ("nightly", "nightly", "weekly"):
        done = await submit(api, "/console/new-job", **FIELDS | {"name": name}, **once)
        answers.append("sent already: it made this job" in await get(api, done.headers["location"]))
    assert answers == [False, True, False]
    assert len((await api.json(200, "GET", "/api/job"))["items"]) == 2


async def test_a_refused_form_keeps_its_texts_and_names_the_field(api: Api) -> None:
    done = await submit(api, "/console/new-job", **FIELDS | {"rule": "61 * * * *"})
    assert done.status_code == 422
    assert 'value="61 * * * *"' in done.text
    assert 'id="j-rule-fault"' in done.text
    assert (await api.json(200, "GET", "/api/job"))["items"] == []


async def test_a_job_is_changed_in_what_differs_and_not_over_another_change(api: Api) -> None:
    job = await api.create(name="nightly", recurrence="daily", max_retries=7)
    path = f"/console/jobs/{job['id']}/edit"
    page = await get(api, path)
    values = dict(re.findall(r'<input [^>]*name="(\w+)"[^>]*value="([^"]*)"', page))
    sent = {name: value for name, value in values.items() if name != "q"} | {"kind": "daily", "name": "each night"}
    assert (await submit(api, path, **sent)).status_code == 303
    changed = await api.json(200, "GET", f"/api/job/{job['id']}")
    assert (changed["name"], changed["max_retries"], changed["version"]) == ("each night", 7, 2)
    stale = await submit(api, path, **sent | {"name": "another"})
    assert stale.status_code == 412
    assert (await api.json(200, "GET", f"/api/job/{job['id']}"))["name"] == "each night"


async def test_what_is_emptied_in_a_form_has_its_default_again(api: Api) -> None:
    rate, concurrency = {"key": "a", "limit": 5, "per": "PT1M"}, {"key": "a", "limit": 5}
    job = await api.create(name="nightly", rate=rate, concurrency=concurrency)
    path = f"/console/jobs/{job['id']}/edit"
    values = dict(re.findall(r'<input [^>]*name="(\w+)"[^>]*value="([^"]*)"', await get(api, path)))
    emptied = {"rate_per": "", "concurrency_limit": ""}
    sent = {name: value for name, value in values.items() if name != "q"} | {"kind": "none"} | emptied
    assert (await submit(api, path, **sent)).status_code == 303
    changed = await api.json(200, "GET", f"/api/job/{job['id']}")
    assert (changed["rate"]["per"], changed["concurrency"]["limit"]) == ("PT1S", 1)


EVERY_FIELD = {
    "backoff": {"initial": "PT10S", "factor": 1.5, "max": "PT20M", "jitter": 0.1},
    "pause_on_failure": True,
    "catch_up": {"policy": "all", "window": "P7D"},
    "notify": {"to": ["ops@example.com"], "on": ["missed"]},
    "dst": {"gap": "skip", "fold": "both"},
    "ends_at": "2100-12-31T23:59:59Z",
    "max_runs": 100,
    "jitter": "PT30S",
    "metadata": {"owner": "finance", "n": 2**60},
}
NEW_FIELDS = (
    "backoff_initial", "backoff_factor", "backoff_max", "backoff_jitter", "pause_on_failure", "catch_up_policy",
    "catch_up_window", "notify_to", "notify_on_missed", "then_0_job", "then_0_on_skipped", "then_0_payload", "dst_gap",
    "dst_fold", "ends_at", "max_runs", "jitter", "metadata", "key",
)  # fmt: skip


async def test_a_form_with_every_field_is_sent_back_without_a_change(api: Api) -> None:
    other = await api.create(name="other", key="other")
    then = [{"job": "key:other", "on": ["skipped"], "payload": "result"}]
    job = await api.create(recurrence={"cron": "0 2 * * *"}, **EVERY_FIELD, then=then)
    path = f"/console/jobs/{job['id']}/edit"
    sent = controls(await get(api, path), "job-form")
    assert set(NEW_FIELDS) <= sent.keys()
    assert (await submit(api, path, **sent)).status_code == 303
    assert (await api.json(200, "GET", f"/api/job/{job['id']}"))["version"] == 1
    changed = {"then_0_job": other["id"], "notify_to": "", "backoff_max": "PT30M", "dst_gap": "run_after"}
    assert (await submit(api, path, **sent | changed)).status_code == 303
    now = await api.json(200, "GET", f"/api/job/{job['id']}")
    assert now["then"] == [{"job": other["id"], "on": ["skipped"], "payload": "result"}]
    assert (now["notify"]["to"], now["backoff"]["max"], now["dst"]["gap"]) == ([], "PT30M", "run_after")
    assert now["metadata"] == EVERY_FIELD["metadata"]


async def test_a_new_job_has_what_the_rare_fields_of_the_form_say(api: Api) -> None:
    await api.create(name="other", key="other")
    page = await get(api, "/console/new-job")
    assert '<details class="whole" id="more">' in page
    sent = controls(page, "job-form") | {"name": "nightly", "pause_on_failure": "true", "backoff_initial": "PT5S"}
    sent |= {"then_0_job": "key:other", "then_0_on_dead_lettered": "1", "metadata": '{"owner": "finance"}'}
    del sent["notify_on_succeeded"]
    done = await submit(api, "/console/new-job", **sent)
    assert done.status_code == 303, done.text
    job = await api.json(200, "GET", f"/api/job/{done.headers['location'].rpartition('/')[2]}")
    assert job["notify"] == {"to": [], "on": ["dead_lettered"]}
    assert job["then"] == [{"job": "key:other", "on": ["succeeded", "dead_lettered"], "payload": None}]
    assert (job["pause_on_failure"], job["backoff"]["initial"], job["backoff"]["max"]) == (True, "PT5S", "PT1H")
    assert job["metadata"] == {"owner": "finance"}


async def test_a_rare_field_that_is_refused_is_unfolded_and_keeps_its_text(api: Api) -> None:
    sent = controls(await get(api, "/console/new-job"), "job-form") | {"name": "nightly"}
    wrong = {
        "catch_up_window": "7 days",
        "notify_to": "ops@example.com, nowhere",
        "metadata": "[1]",
        "backoff_factor": "twice",
        "then_0_job": "another",
    }
    for name, text in wrong.items():
        done = await submit(api, "/console/new-job", **sent | {name: text})
        assert done.status_code == 422, name
        assert '<details class="whole" id="more" open>' in done.text
        assert f'id="j-{name}-fault"' in done.text
        assert controls(done.text, "job-form")[name] == text
    done = await submit(api, "/console/new-job", **sent | {"ends_at": "tomorrow"})
    assert '<details id="more-schedule" open>' in done.text
    assert 'id="j-ends_at-fault"' in done.text


async def test_the_preview_keeps_a_follow_up_and_has_a_line_for_another(api: Api) -> None:
    sent = controls(await get(api, "/console/new-job"), "job-form")
    given = {"then_0_job": "key:a", "then_0_payload": "result", "preview": "1"}
    shown = controls((await submit(api, "/console/new-job", **sent | given)).text, "job-form")
    assert (shown["then_0_job"], shown["then_0_payload"], shown["then_1_job"]) == ("key:a", "result", "")


async def test_the_preview_has_the_next_times_or_the_fault(api: Api) -> None:
    assert "02:00 on Monday through Friday" in (await submit(api, "/console/preview", **FIELDS)).text
    assert "fault" in (await submit(api, "/console/preview", kind="cron", rule="nonsense")).text
    shown = await submit(api, "/console/new-job", **FIELDS, preview="1")
    assert "02:00 on Monday through Friday" in shown.text


async def test_a_payload_is_replaced_as_it_was_typed(api: Api) -> None:
    job = await api.create(payload={"url": "https://x", "debug": True, "note": None})
    path, typed = f"/console/jobs/{job['id']}/edit", '{"url": "https://x", "note": null}'
    assert (await submit(api, path, name=job["name"], payload=typed)).status_code == 303
    changed = await api.json(200, "GET", f"/api/job/{job['id']}")
    assert changed["payload"] == {"url": "https://x", "note": None}


async def test_the_payload_has_fields_of_its_tasks_schema_which_change_it(api: Api) -> None:
    schema = {"type": "object", "required": ["to"], "properties": {"to": {"type": "string"}, "n": {"type": "integer"}}}
    await api.deps.pool.execute("INSERT INTO tasks (name, payload_schema, seen_at) VALUES ('mail', $1, now())", schema)
    job = await api.create(task="mail", payload={"to": "a", "n": 2**60, "more": 2**60})
    path = f"/console/jobs/{job['id']}/edit"
    page = await get(api, path)
    assert f'name="payload/n" value="{2**60}"' in page
    sent = hidden(page) | {"name": "a job", "task": "mail", "payload": hidden(page)["payload_shown"]}
    fields = {"payload/to": "b", "payload/n": str(2**60)}
    answer = await submit(api, path, **sent | fields | {"payload/n": "many"})
    assert answer.status_code == 422
    assert 'aria-describedby="p-2-fault"' in answer.text
    assert '"to": "b"' in unescape((await submit(api, "/console/payload", **sent | fields)).text)
    assert (await submit(api, path, **sent | fields)).status_code == 303
    changed = await api.json(200, "GET", f"/api/job/{job['id']}")
    assert changed["payload"] == {"to": "b", "n": 2**60, "more": 2**60}


async def test_the_copies_of_the_form_are_what_it_would_send(api: Api) -> None:
    new = unescape((await submit(api, "/console/new-job/copies", **FIELDS | {"keep": "P30D"})).text)
    assert "duebook job create " in new
    assert " --keep P30D" in new
    job = await api.create(keep="P90D")
    path = f"/console/jobs/{job['id']}/edit/copies"
    changed = unescape((await submit(api, path, name=job["name"], keep="", queue="mail")).text)
    assert '-d \'{"queue":"mail","keep":null}\'' in changed
    broken = unescape((await submit(api, path, name="x", max_retries="many")).text)
    assert "job update" in broken


async def test_a_large_payload_is_read_without_blocking_the_event_loop(api: Api) -> None:
    form, read, answered = {"payload": "[" + "1," * 200_000 + "1]"}, list[float](), list[float]()
    for _ in range(3):
        begin = time.thread_time()
        sent_form(form, "", {})
        read.append(time.thread_time() - begin)
        begin = time.thread_time()
        await submit(api, "/console/payload", **form)
        answered.append(time.thread_time() - begin)
    assert min(answered) < min(read)


async def test_the_form_shows_what_a_change_does_to_all_jobs(api: Api) -> None:
    job = await api.create(recurrence={"every": "PT2H"}, scheduled_at="2026-01-01T00:00:00Z")
    path, page = f"/console/jobs/{job['id']}/edit", await get(api, f"/console/jobs/{job['id']}/edit")
    values = dict(re.findall(r'<input [^>]*name="(\w+)"[^>]*value="([^"]*)"', page)) | {"kind": "every"}
    assert "leaves all times" in (await submit(api, f"{path}/fleet", **values)).text
    changed = (await submit(api, f"{path}/fleet", **values | {"rule": "PT1H"})).text
    assert "84 times added and 0 times removed" in changed
    assert "/console/forecast?days=7" in changed
    new = await submit(api, "/console/new-job", **FIELDS | {"rule": "0 2 * * *", "timezone": "UTC", "preview": "1"})
    assert "7 times added" in new.text
