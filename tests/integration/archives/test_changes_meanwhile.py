"""What people change while a period leaves: its archive is whole, and every erasure reaches it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from duebook_common.archives.archiver import Archiver
from duebook_common.archives.export import Exporter
from duebook_common.archives.targets import Target
from duebook_common.integrity.verify import verify
from duebook_common.store import departure
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Pool
from duebook_common.store.erasure import erase_runs_of_a_job
from support.api_app import Api
from support.archiver import LONG_AGO, end_period
from support.archives import ANY_AGE, LATER
from support.contents import read_the_log, tables_with
from support.secret_archives import ACTOR, all_archives, content_of, faults, files_with, rewrite
from support.secret_runs import SECRET, must_agree, run_with_secrets

Change = Callable[[Api, str, str], Awaitable[None]]
_MOMENTS = [(departure, "seal"), (Exporter, "export"), (departure, "settle"), (departure, "drop")]
_KNOWN = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM ledger_lines)"
_IDS = ["sealed", "written", "settled", "dropped"]


async def keep(api: Api, job_id: str, _: str) -> None:
    await api.json(200, "PATCH", f"/api/job/{job_id}", {"keep": "P365D"})


async def erase_job(api: Api, job_id: str, _: str) -> None:
    await api.json(204, "DELETE", f"/api/job/{job_id}")
    await api.json(202, "POST", f"/api/job/{job_id}/erase")
    with suppress(Conflict):  # the scheduler tries again
        await erase_due(api.deps.pool)


async def erase_due(pool: Pool) -> None:
    await pool.execute("UPDATE erasures SET wake_at = now()")
    await erase_runs_of_a_job(pool, await pool.fetchval("SELECT now()"))


async def erase_run(api: Api, _: str, run_id: str) -> None:
    """Accepted, or to be repeated: never an answer that promises what does not come."""
    answer = await api.http.post(f"/api/run/{run_id}/erase")
    assert answer.status_code in {200, 503}, answer.text
    if answer.status_code == 503:
        assert "leaves for an archive" in answer.json()["detail"]


@pytest.mark.parametrize("moment", _MOMENTS, ids=_IDS)
@pytest.mark.parametrize("change", [keep, erase_job, erase_run])
async def test_a_change_in_the_middle_loses_nothing(
    api: Api, folder: Target, monkeypatch: pytest.MonkeyPatch, change: Change, moment: tuple[Any, str]
) -> None:
    pool, job = api.deps.pool, await api.create(recurrence="daily", max_retries=1)
    runs = [await run_with_secrets(api, job["id"]) for _ in range(2)]
    await end_period(pool, LATER)
    await read_the_log(pool)

    async def changed() -> None:
        await change(api, job["id"], runs[0]["id"])
        await read_the_log(pool)

    with monkeypatch.context() as patch:
        change_before(patch, *moment, changed)
        assert await Archiver(pool, folder, ACTOR).archive_due(ANY_AGE) is not None
    kept = 2 if (change, moment) == (keep, _MOMENTS[0]) else 0  # after that it comes too late
    assert tuple(await pool.fetchrow(_KNOWN) or ()) == (kept, 2 - kept)
    assert [archive.events > 0 for archive in await all_archives(pool)] == [kept == 0]
    assert await faults(pool, folder) == []
    assert (await verify(pool, LONG_AGO)).breaches == []
    if kept == 0 and change is not erase_job:
        assert await lines_with(folder, runs[1]["id"], SECRET) != [], "that run is not erased"
    if change in {erase_job, erase_run}:
        await must_be_erased(api, folder, job["id"], runs[0]["id"], whole=change is erase_job)
    await must_agree(api)


def change_before(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, change: Callable[[], Awaitable[None]]
) -> None:
    """Let the change happen right before the first call of this step."""
    step, pending = getattr(owner, name), [change]

    async def changed(*arguments: Any, **more: Any) -> Any:
        while pending:
            await pending.pop()()
        return await step(*arguments, **more)

    monkeypatch.setattr(owner, name, changed)


async def must_be_erased(api: Api, folder: Target, job_id: str, run_id: str, *, whole: bool) -> None:
    await erase_due(api.deps.pool)
    if not whole:
        await api.json(200, "POST", f"/api/run/{run_id}/erase")
    await rewrite(api, folder)
    assert await faults(api.deps.pool, folder) == []
    if whole:
        assert await files_with(folder, SECRET) == []
        assert await tables_with(api.deps.pool, SECRET) == set()
    assert await lines_with(folder, run_id, SECRET) == []
    shown = await api.json(200, "GET", f"/api/run/{run_id}")
    assert shown["erased_at"] is not None


async def lines_with(folder: Target, *texts: str) -> list[bytes]:
    """The lines of archives that have all these texts."""
    lines = [line for name in await folder.names() for line in (await content_of(folder, name)).splitlines()]
    return [line for line in lines if all(text.encode() in line for text in texts)]
