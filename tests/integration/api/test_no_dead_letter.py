"""What the API says of a run that is no dead letter. Against a real database."""

from datetime import timedelta
from uuid import UUID

from duebook_common.domain.run.commands import WakeRun
from support.api_app import Api, fail_for_good


async def detail(api: Api, run_id: str, status: int = 404) -> str:
    problem = await api.json(status, "GET", f"/api/dead-letter/{run_id}")
    text: str = problem["detail"]
    return text


async def command(api: Api, run_id: str, name: str, status: int, reason: str) -> None:
    await api.json(status, "POST", f"/api/dead-letter/{run_id}/{name}", {"reason": reason})


async def test_it_says_who_redrove_a_run_when_and_why(api: Api) -> None:
    run = await api.dead_letter()
    await command(api, run["id"], "redrive", 202, "more disk")
    found = await detail(api, run["id"])
    assert found.startswith(f"run {run['id']} is no dead letter any more: a client without an API key redrove it at 2")
    assert found.endswith("Z, with the reason “more disk”; its status is retrying")


async def test_it_says_who_discarded_a_run_when_and_why(api: Api) -> None:
    run = await api.dead_letter()
    await command(api, run["id"], "redrive", 202, "more disk")
    now = api.deps.clock.now()
    await api.execute(run["id"], WakeRun(now, 0.5, timedelta(0)), *fail_for_good("still", dispatch=1, attempt=2))
    await command(api, run["id"], "discard", 200, "known")
    found = await detail(api, run["id"])
    assert found.startswith(
        f"run {run['id']} is no dead letter any more: a client without an API key discarded it at 2"
    )
    assert found.endswith("Z, with the reason “known”; its status is discarded")


async def test_it_says_how_a_run_stands_that_never_was_a_dead_letter(api: Api) -> None:
    job = await api.create()
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    assert await detail(api, run["id"]) == f"run {run['id']} is no dead letter: its status is dispatched"


async def test_a_run_that_does_not_exist_is_no_dead_letter(api: Api) -> None:
    assert await detail(api, str(UUID(int=7))) == f"there is no dead letter {UUID(int=7)}"
