"""Runs that hold a secret wherever a client, a task or a mail server can have put it."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from duebook_common.domain.mail import MailFailed, MailSent
from duebook_common.domain.run.commands import FailAttempt, StartAttempt, Succeed, WakeRun
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify import verify
from duebook_common.store.actor import Actor
from duebook_common.store.mail_handling import MailResult, record_mails
from support.api_app import Api
from support.bookkeeping import check_invariants
from support.contents import read_the_log

SECRET = "jane.doe@example.org"
TOPIC = "succeeded-6"
SECOND = timedelta(seconds=1)
LINE = """
INSERT INTO log_lines (job_id, run_id, attempt, message, fields, logged_at, born)
SELECT $1, $2, 1, 'wrote to ' || $3, jsonb_build_object('to', $3), now(), born FROM runs WHERE run_id = $2
"""
NOTES = (
    "INSERT INTO progress VALUES ($1, 1, 0.5, 'at ' || $2, now())",
    "INSERT INTO task_checkpoints VALUES ($1, 1, to_jsonb($2::text), now())",
)


async def run_with_secrets(api: Api, job_id: str) -> dict[str, Any]:
    """A run that has succeeded, with the secret wherever a client, a task or a mail server can have put it."""
    body = {"payload": {"to": SECRET}}
    run = await api.json(202, "POST", f"/api/job/{job_id}/trigger", body, Idempotency_Key=uuid4().hex)
    now, run_id = api.deps.clock.now(), UUID(run["id"])
    await api.execute(
        run["id"], StartAttempt(0, "executor-1", 30 * SECOND, now), FailAttempt(1, f"no {SECRET}", now, 0)
    )
    return await end_again(api, job_id, run_id)


async def end_again(api: Api, job_id: str, run_id: UUID) -> dict[str, Any]:
    now = api.deps.clock.now() + 60 * SECOND
    await api.execute(str(run_id), WakeRun(now, 0.5, 60 * SECOND), StartAttempt(1, "executor-1", 30 * SECOND, now))
    await api.execute(str(run_id), Succeed(2, {"sent": SECRET}, now))
    await api.deps.pool.execute(LINE, UUID(job_id), run_id, SECRET)
    for statement in NOTES:
        await api.deps.pool.execute(statement, run_id, SECRET)
    mails = (
        MailFailed(outcome=TOPIC, recipient=SECRET, message_id=SECRET, error=SECRET, tries=1, retry_at=now, at=now),
        MailSent(outcome=TOPIC, recipient=SECRET, message_id=SECRET, at=now),
    )
    for event in mails:
        await record_mails(api.deps.pool, [MailResult(run_id, UUID(job_id), event)], Actor("notifier"))
    await read_the_log(api.deps.pool)
    shown: dict[str, Any] = await api.json(200, "GET", f"/api/run/{run_id}")
    return shown


async def must_agree(api: Api) -> None:
    await check_invariants(api.deps.pool)
    assert (await verify(api.deps.pool)).breaches == []
    assert (await rebuild(api.deps.pool)).replaced == 0
