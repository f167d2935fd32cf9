"""Filters of lists over REST: each page after page equals what a reading of all items would choose."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from duebook_api.http import search
from duebook_api.runs import of_tag
from duebook_common.domain.run.commands import StartAttempt, Succeed
from support.api_app import Api, fail_for_good

Item = dict[str, Any]
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _short_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page of a search looks at three rows, so that the lists of these tests have many pages."""
    monkeypatch.setattr(search, "SEARCHED_ROWS", 3)


async def runs(api: Api) -> list[Item]:
    """Runs of two jobs: waiting, succeeded, dead-lettered, cancelled and running, each due a second after another."""
    jobs = [await api.create(name="Mail 100%", tags=["a", "b"]), await api.create(name="report", task="t", queue="q")]
    made = []
    for n in range(15):
        run = await api.json(202, "POST", f"/api/job/{jobs[n % 2]['id']}/trigger")
        await _bring_into_state(api, run["id"], n)
        made.append(run["id"])
        api.pass_time(SECOND)
    return [await api.json(200, "GET", f"/api/run/{each}") for each in reversed(made)]


async def _bring_into_state(api: Api, run_id: str, n: int) -> None:
    now, start = api.deps.clock.now(), StartAttempt(0, f"executor-{n % 2}", 60 * SECOND, api.deps.clock.now())
    match n % 5:
        case 1:
            await api.execute(run_id, start, Succeed(1, None, now + SECOND * (20 - n)))
        case 2:
            await api.execute(run_id, *fail_for_good("Out of MEMORY_x" if n > 5 else "timeout\\"))
        case 3:
            await api.json(202, "POST", f"/api/run/{run_id}/cancel")
        case 4:
            await api.execute(run_id, start)


MAIL, IN_QUEUE = "Mail 100%", {"running", "dispatched"}
FILTERS: list[tuple[dict[str, str], Callable[[Item], bool]]] = [
    ({"status": "succeeded,cancelled"}, lambda run: run["status"] in {"succeeded", "cancelled"}),
    ({"status": "running,dispatched", "queue": "q"}, lambda run: run["status"] in IN_QUEUE and run["queue"] == "q"),
    ({"trigger": "manual"}, lambda _: True),
    ({"trigger": "schedule"}, lambda _: False),
    ({"executor": "executor-1"}, lambda run: run["executor"] == "executor-1"),
    ({"executor": "executor-0", "status": "running"}, lambda run: _is_running_on(run, "executor-0")),
    ({"tag": "b"}, lambda run: run["job_name"] == MAIL),
    ({"tag": "b", "task": "t"}, lambda _: False),
    ({"q": "mAiL"}, lambda run: run["job_name"] == MAIL),
    ({"q": "%"}, lambda run: run["job_name"] == MAIL),
    ({"q": "memory_"}, lambda run: "MEMORY_" in _text(run)),
    ({"q": "\\"}, lambda run: "\\" in _text(run)),
    ({"q": "x", "status": "dead_lettered", "queue": "q"}, lambda run: "MEMORY_" in _text(run) and run["queue"] == "q"),
]


ENDED_BADLY = {"cancelled", "dead_lettered"}


def _text(run: Item) -> str:
    return f"{run['job_name']} {run['error']}"


def _is_running_on(run: Item, executor: str) -> bool:
    return bool(run["executor"] == executor and run["status"] == "running")


async def test_runs_are_found_by_each_filter(api: Api) -> None:
    every = await runs(api)
    for query, matches in FILTERS:
        expected = [run["id"] for run in every if matches(run)]
        for limit in (2, 50):
            assert [run["id"] for run in await api.pages(f"/api/run?{urlencode(query)}", limit)] == expected, query


@pytest.mark.parametrize("few", [0, 1])
async def test_runs_of_a_tag_that_few_jobs_have_need_no_search(
    api: Api, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(of_tag, "FEW_JOBS", few)
    every = await runs(api)
    of_mail = [run["id"] for run in every if run["job_name"] == MAIL]
    for sort, expected in (("-created_at", of_mail), ("created_at", of_mail[::-1])):
        for limit in (3, 50):
            assert [run["id"] for run in await api.pages(f"/api/run?tag=b&sort={sort}", limit)] == expected
    first = await api.json(200, "GET", "/api/run?tag=b")
    assert (len(first["items"]) == len(of_mail), first["next_cursor"] is None) == (few == 1, few == 1)
    assert (await api.json(200, "GET", "/api/run?tag=none"))["items"] == []


async def test_runs_are_found_by_ranges_of_times(api: Api) -> None:
    every = await runs(api)
    for name in ("due", "finished"):
        column = f"{name}_at"
        times = sorted(run[column] for run in every if run[column])
        first, end = times[1], times[-2]
        within = [run for run in every if run[column] and first <= run[column] < end]
        down = sorted(within, key=lambda run: (run[column], run["id"]), reverse=True)
        for more, expected in (
            ({}, down),
            ({"task": "t"}, [run for run in down if run["task"] == "t"]),
            ({"status": "cancelled,dead_lettered"}, [run for run in within if run["status"] in ENDED_BADLY]),
            ({"sort": "created_at"}, within[::-1]),
            ({"job_id": every[0]["job_id"]}, [run for run in within if run["job_id"] == every[0]["job_id"]]),
        ):
            query = urlencode({f"{name}_from": first, f"{name}_to": end, **more})
            shown = [run["id"] for run in await api.pages(f"/api/run?{query}", 2)]
            assert shown == [run["id"] for run in expected], query


async def test_runs_are_listed_in_each_order(api: Api) -> None:
    every = (await runs(api))[::-1]
    for column in ("created_at", "due_at", "finished_at"):
        up = [run for run in every if run.get(column, True)]
        if column != "created_at":
            up.sort(key=lambda run: (run[column], run["id"]))
        for sort, expected in ((column, up), (f"-{column}", up[::-1])):
            assert await api.pages(f"/api/run?sort={sort}", 2) == [_listed(run) for run in expected]
            of_mail = [_listed(run) for run in expected if run["job_name"] == MAIL]
            assert await api.pages(f"/api/run?sort={sort}&q=mail", 2) == of_mail


def _listed(run: Item) -> Item:
    return {name: value for name, value in run.items() if name != "payload"}


async def test_jobs_are_found_by_text_statuses_and_order(api: Api) -> None:
    names = ["b_1", "A|1", "c", "b_2", "a%", "C"]
    jobs = {name: await api.create(name=name) for name in names}
    await api.json(200, "POST", f"/api/job/{jobs['c']['id']}/pause")
    await api.json(204, "DELETE", f"/api/job/{jobs['a%']['id']}")

    async def named(query: str) -> list[str]:
        return [job["name"] for job in await api.pages(f"/api/job?{query}", 1)]

    assert await named("q=b_") == ["b_2", "b_1"]
    assert await named("q=%25") == []
    assert await named("q=%25&status=deleted") == ["a%"]
    assert await named("q=a") == ["A|1"]
    assert await named("status=paused&status=deleted") == ["a%", "c"]
    assert await named("sort=created_at") == ["b_1", "A|1", "c", "b_2", "C"]
    ordered = await named("sort=name")
    assert sorted(ordered) == sorted(set(names) - {"a%"})
    assert await named("sort=-name") == ordered[::-1]
    assert await named("sort=name&q=b_&status=active") == ["b_1", "b_2"]


async def test_dead_letters_are_found_by_text_tag_and_time(api: Api) -> None:
    dead = [run for run in await runs(api) if run["status"] == "dead_lettered"]

    async def ids(query: str) -> list[str]:
        return [run["id"] for run in await api.pages(f"/api/dead-letter?{query}", 1)]

    assert await ids("q=memory") == [run["id"] for run in dead if "MEMORY" in run["error"]]
    assert await ids("tag=a") == [run["id"] for run in dead if run["job_name"] == "Mail 100%"]
    ended = sorted(run["finished_at"] for run in dead)
    assert await ids(f"finished_from={ended[1]}") == [run["id"] for run in dead if run["finished_at"] >= ended[1]]
    assert await ids(f"finished_to={ended[1]}") == [run["id"] for run in dead if run["finished_at"] < ended[1]]
    groups = await api.pages("/api/dead-letter/groups?q=memory", 1)
    assert {group["error"] for group in groups} == {"Out of MEMORY_x"}
    assert await api.pages("/api/dead-letter/groups?tag=none", 1) == []


async def test_a_page_of_a_search_may_be_empty_and_its_cursor_goes_on(api: Api) -> None:
    made = await runs(api)
    first = await api.json(200, "GET", "/api/run?q=MEMORY&status=waiting,dead_lettered&limit=2")
    assert first["items"]
    page = await api.json(200, "GET", "/api/run?q=nothing&limit=2")
    assert (page["items"], page["next_cursor"] is None) == ([], False)
    assert await api.pages("/api/run?q=nothing", 2) == []
    wrong = await api.json(422, "GET", f"/api/run?q=nothing&sort=due_at&cursor={page['next_cursor']}")
    assert wrong["errors"][0]["pointer"] == "/cursor"
    assert len(made) == 15
