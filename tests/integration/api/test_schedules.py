"""Recurrences of jobs over HTTP, and previews of schedules."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from support.api_app import running_api

PREVIEW = "/api/schedule/preview"
RULE = {"rrule": "FREQ=MONTHLY;BYDAY=-1FR"}


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with running_api(postgres_url) as api:
        yield api.http


@pytest.mark.parametrize("recurrence", [{"cron": "0 2 * * 1-5"}, {"every": "PT15M"}, RULE, "daily", "weekly", "none"])
async def test_a_job_with_any_recurrence_has_its_next_due_time(api: httpx2.AsyncClient, recurrence: Any) -> None:
    job = {"name": "n", "recurrence": recurrence, "scheduled_at": "2030-01-05T12:00:00Z"}
    answer = await api.post("/api/job", json=job)
    assert answer.status_code == 201, answer.text
    assert answer.json()["recurrence"] == recurrence
    expected = {"cron": "2030-01-07T02:00:00Z", "rrule": "2030-01-25T12:00:00Z"}.get(next(iter(recurrence), ""))
    assert answer.json()["next_due_at"] == (expected or "2030-01-05T12:00:00Z")
    again = await api.put(f"/api/job/{answer.json()['id']}", json=job)
    assert again.json()["version"] == 1


async def test_a_patch_replaces_one_kind_of_recurrence_by_another(api: httpx2.AsyncClient) -> None:
    job = (await api.post("/api/job", json={"name": "n", "recurrence": {"every": "P1D"}})).json()
    changed = await api.patch(f"/api/job/{job['id']}", json={"recurrence": {"cron": "@daily"}})
    assert changed.json()["recurrence"] == {"cron": "@daily"}


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ({"cron": "@daily", "every": None}, {"cron": "@daily"}),  # what a library that compares documents writes
        ({"cron": None, "every": "PT5M", "rrule": None}, {"every": "PT5M"}),
        ({"rrule": None}, {"every": "P1D"}),
        ({}, {"every": "P1D"}),
        ({"every": None}, "/recurrence"),
        ({"evry": None, "cron": "@daily"}, "/recurrence"),
    ],
)
async def test_a_null_in_a_patch_takes_a_kind_of_recurrence_away(
    api: httpx2.AsyncClient, patch: dict[str, str | None], result: dict[str, str] | str
) -> None:
    job = (await api.post("/api/job", json={"name": "n", "recurrence": {"every": "P1D"}})).json()
    changed = (await api.patch(f"/api/job/{job['id']}", json={"recurrence": patch})).json()
    assert changed.get("recurrence", changed.get("errors", [{}])[0].get("pointer")) == result


@pytest.mark.parametrize(
    ("body", "pointer", "message"),
    [
        ({"recurrence": {"rrule": "FREQ=DAILY;BYDAY=XX"}}, "/recurrence/rrule", 'BYDAY: "XX" is not a weekday'),
        (
            {
                "recurrence": {"cron": "@yearly"},
                "scheduled_at": "2030-01-02T00:00:00Z",
                "ends_at": "2030-12-01T00:00:00Z",
            },
            "/ends_at",
            "names no time from scheduled_at to this",
        ),
    ],
)
async def test_an_invalid_schedule_is_refused_with_its_pointer(
    api: httpx2.AsyncClient, body: Any, pointer: str, message: str
) -> None:
    answer = await api.post("/api/job", json={"name": "n", **body})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert message in error["detail"]
    batch = await api.post("/api/job/batch", json={"jobs": [{"name": "fine"}, {"name": "n", **body}]})
    assert batch.json()["errors"][0]["pointer"] == f"/jobs/1{pointer}"


SKIP = {"timezone": "Europe/Berlin", "dst": {"gap": "skip"}}


@pytest.mark.parametrize(
    "schedule",
    [
        SKIP | {"recurrence": {"cron": "30 2 * 3 SUNL"}},
        SKIP | {"recurrence": {"rrule": "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;BYHOUR=2;BYMINUTE=30"}},
    ],
)
async def test_a_schedule_that_never_fires_is_refused_everywhere(api: httpx2.AsyncClient, schedule: Any) -> None:
    job = (await api.post("/api/job", json={"name": "n", "recurrence": "daily"})).json()
    new, path = {"name": "n", **schedule}, f"/api/job/{job['id']}"
    now = datetime.now(UTC)
    window = {"from": now.isoformat(), "to": (now + timedelta(days=9)).isoformat()}
    patch, create = {"job_id": job["id"], "patch": schedule}, {"create": new}
    for answer, root in [
        (await api.post("/api/job", json=new), ""),
        (await api.post("/api/job/batch", json={"jobs": [new]}), "/jobs/0"),
        (await api.put(path, json=new), ""),
        (await api.put(f"/api/job/{uuid4()}", json=new), ""),
        (await api.patch(path, json=schedule), ""),
        (await api.post(PREVIEW, json=schedule), ""),
        (await api.post("/api/schedule/forecast", json=window | {"changes": [patch]}), "/changes/0/patch"),
        (await api.post("/api/schedule/forecast", json=window | {"changes": [create]}), "/changes/0/create"),
    ]:
        assert answer.status_code == 422, answer.text
        [error] = answer.json()["errors"]
        assert error["pointer"].startswith(f"{root}/recurrence/"), error
        assert "never fires" in error["detail"]
    assert (await api.get(path)).json()["status"] == "active"


FIRST, LAST = "1970-01-01T00:00:00Z", "9998-12-31T23:59:59.999999Z"
LONG = {"start_within": "P36500D", "timeout": "P1D", "catch_up": {"policy": "all", "window": "P36500D"}}


@pytest.mark.parametrize("recurrence", ["daily", {"every": "P36500D"}, RULE])
async def test_no_question_about_the_ends_of_the_calendar_is_an_error(api: httpx2.AsyncClient, recurrence: Any) -> None:
    """Any answer but an error of ours will do."""
    schedule = {"recurrence": recurrence, "timezone": "Pacific/Kiritimati", "jitter": "P36500D"}
    answers = []
    for at in (FIRST, LAST):
        for after in (FIRST, LAST, "9970-01-01T00:00:00Z"):
            body = schedule | {"scheduled_at": at, "after": after, "ends_at": LAST}
            answers.append(await api.post(PREVIEW, json=body))
        job = {"name": "n", "max_retries": 0, "scheduled_at": at, **schedule, **LONG}
        answers.append(await api.post("/api/job", json=job))
        path = f"/api/job/{answers[-1].json()['id']}"
        answers.append(await api.patch(path, json={"scheduled_at": LAST if at == FIRST else FIRST}))
        answers.append(await api.post(f"{path}/trigger"))
        for t in (FIRST, LAST):
            answers += [await api.get(f"{path}/{part}={t}") for part in ("why?at", "ledger?from", "ledger?to")]
            answers.append(await api.get(f"{path}?as_of={t}"))
            window = {"from": t, "to": LAST}
            answers.append(await api.post(f"{path}/backfill", json=window))
            answers.append(await api.post("/api/schedule/forecast", json=window | {"changes": [{"create": job}]}))
        answers.append(await api.post(f"{path}/pause"))
        answers.append(await api.post(f"{path}/resume"))
    assert [answer.text for answer in answers if answer.status_code >= 500] == []


async def preview(api: httpx2.AsyncClient, **body: Any) -> Any:
    answer = await api.post(PREVIEW, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_preview_has_times_a_description_and_notes_on_gaps(api: httpx2.AsyncClient) -> None:
    found = await preview(
        api,
        recurrence={"cron": "30 2 * * *"},
        timezone="Europe/Berlin",
        scheduled_at="2027-03-27T00:00:00Z",
        after="2027-03-27T00:00:00Z",
        count=3,
    )
    assert found["times"] == ["2027-03-27T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]
    assert found["description"] == "At 02:30 every day in Europe/Berlin"
    [note] = found["notes"]
    assert note.startswith(
        "2027-03-28: the clocks in Europe/Berlin go from 02:00 to 03:00; a time in this gap runs at "
    )
    assert note.endswith(" 2027-03-28T03:00:00+02:00 (dst.gap run_after)")


async def test_a_preview_of_a_fold_says_which_pass_runs(api: httpx2.AsyncClient) -> None:
    body = {"recurrence": "daily", "timezone": "Europe/Berlin", "scheduled_at": "2027-10-30T02:30:00+02:00", "count": 3}
    found = await preview(api, **body, after="2027-10-01T00:00:00Z", dst={"fold": "both"})
    assert found["times"] == ["2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z"]
    assert "a time that occurs twice runs both times (dst.fold both)" in found["notes"][0]


async def test_a_preview_of_a_rule_describes_it(api: httpx2.AsyncClient) -> None:
    body = {"recurrence": RULE, "timezone": "Europe/Berlin", "scheduled_at": "2027-03-01T10:00:00+01:00", "count": 2}
    found = await preview(api, **body, after="2027-01-01T00:00:00Z")
    assert found["times"] == ["2027-03-26T09:00:00Z", "2027-04-30T08:00:00Z"]
    assert found["description"] == "Every month on the last Friday at 10:00 in Europe/Berlin"
    assert found["notes"] == ["scheduled_at is not a time of this schedule, so nothing runs then"]
    refused = await api.post(PREVIEW, json={"recurrence": {"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}})
    assert refused.status_code == 422


async def test_a_preview_ends_where_the_schedule_ends(api: httpx2.AsyncClient) -> None:
    found = await preview(
        api, recurrence={"every": "PT6H"}, scheduled_at="2030-01-01T00:00:00Z", ends_at="2030-01-01T13:00:00Z"
    )
    assert found["times"] == ["2030-01-01T00:00:00Z", "2030-01-01T06:00:00Z", "2030-01-01T12:00:00Z"]
    assert found["notes"] == ["It has no further time"]
    assert (await preview(api))["description"].startswith("Once, at ")


@pytest.mark.parametrize("body", [{"count": 0}, {"count": 1001}, {"name": "n"}, {"after": "tomorrow"}])
async def test_an_invalid_preview_is_refused_with_its_pointer(api: httpx2.AsyncClient, body: Any) -> None:
    answer = await api.post(PREVIEW, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(body))}"


async def test_a_preview_of_a_thousand_times_does_not_block_the_event_loop(api: httpx2.AsyncClient) -> None:
    async def cpu_seconds() -> float:
        begin = time.thread_time()
        await preview(api, recurrence={"cron": "0 2 * * 1-5"}, timezone="America/New_York", count=1000)
        return time.thread_time() - begin

    assert min([await cpu_seconds() for _ in range(5)]) < 0.05


@pytest.mark.parametrize("recurrence", ["none", "daily", {"every": "PT15M"}, {"cron": "0 2 1 1 *"}])
async def test_a_preview_without_a_start_has_the_times_of_a_job_made_now(
    api: httpx2.AsyncClient, recurrence: Any
) -> None:
    found = await preview(api, recurrence=recurrence, count=2)
    made = (await api.post("/api/job?dry_run=true", json={"name": "n", "recurrence": recurrence})).json()
    first, planned = (datetime.fromisoformat(times[0]) for times in (found["times"], made["times"]))
    assert abs(planned - first) < timedelta(minutes=1)
    assert not any(note.startswith(("scheduled_at is not", "It has no time after")) for note in found["notes"])


async def test_a_preview_notes_max_runs_and_jitter(api: httpx2.AsyncClient) -> None:
    schedule = {
        "recurrence": {"every": "PT1H"},
        "scheduled_at": "2026-06-01T00:00:00Z",
        "after": "2026-05-01T00:00:00Z",
    }
    found = (await api.post(PREVIEW, json=schedule | {"max_runs": 3, "jitter": "PT30S"})).json()
    assert found["times"] == [f"2026-06-01T0{hour}:00:00Z" for hour in range(3)]
    assert found["notes"] == [
        "It ends after 3 runs; skipped occurrences do not count",
        "Each run is due up to 30 seconds after its time, by a delay that is fixed for that time",
    ]
