"""The ledger of a job over HTTP, and a job whose occurrences are decided as a scheduler does."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from duebook_common.domain.job.commands import DecisionContext, Dispatch
from duebook_common.domain.run.commands import StartAttempt, Succeed
from duebook_common.integrity.verify import verify
from duebook_common.store.job_handling import handle_job
from support.api_app import Api
from support.bookkeeping import ACTOR, check_invariants
from support.samples import DAY, MINUTE

EVERY_DAY = {"every": "P1D"}


def ago(api: Api, time: timedelta) -> str:
    return (api.deps.clock.now() - time).isoformat()


async def dispatch(api: Api, job: Any) -> None:
    """Decide the due occurrences of the job, as a scheduler does."""
    now = api.deps.clock.now()
    context = DecisionContext(now=now, misfire=MINUTE, look_again_after=MINUTE, dispatch=1)
    await handle_job(api.deps.pool, UUID(job["id"]), Dispatch(context), ACTOR)


async def ledger(api: Api, job: Any, **query: Any) -> Any:
    answer = await api.http.get(f"/api/job/{job['id']}/ledger", params=query)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["expected"] == body["recorded"] + body["due"] + body["unaccounted"]
    return body


async def refused(api: Api, job: Any, **query: Any) -> Any:
    answer = await api.http.get(f"/api/job/{job['id']}/ledger", params=query)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    return error


def outcomes(body: Any) -> list[tuple[str, str | None]]:
    return [(item["outcome"], item["reason"]) for item in body["items"]]


def sums(body: Any) -> tuple[int, int, int, int]:
    return body["expected"], body["recorded"], body["due"], body["unaccounted"]


async def check_integrity(api: Api) -> None:
    """The read models agree with the log, and the log with its invariants."""
    assert (await verify(api.deps.pool, DAY * 1000)).breaches == []
    await check_invariants(api.deps.pool)


async def succeed(api: Api, run: Any) -> None:
    now = api.deps.clock.now()
    await api.execute(run["id"], StartAttempt(run.get("dispatch", 1), "executor-1", MINUTE, now))
    await api.execute(run["id"], Succeed(1, None, now))
