"""Archives of runs that hold a secret, and where their files still have it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

from duebook_common.archives.archiver import Archiver
from duebook_common.archives.chain import ArchiveFault, recorded_manifests
from duebook_common.archives.check import check_archives
from duebook_common.archives.lines import read_lines
from duebook_common.archives.rewriter import Rewriter
from duebook_common.archives.targets import Target
from duebook_common.domain.archive import Archive
from duebook_common.domain.mail import MailSent
from duebook_common.store.actor import Actor
from duebook_common.store.archive_handling import archives, chain
from duebook_common.store.database import Pool, acquire, transaction
from duebook_common.store.mail_handling import MailResult, record_mails
from duebook_common.store.partitions import open_period
from support.api_app import Api
from support.archives import ANY_AGE, LATER
from support.contents import read_the_log
from support.secret_runs import SECRET, run_with_secrets

ACTOR = Actor("test")


async def archived_job(api: Api, target: Target, runs: int = 1) -> tuple[Any, list[Any]]:
    """A job whose runs are archived with the secret, and a mail about its missed occurrences; and another job's run."""
    jobs = [await api.create(recurrence="daily", max_retries=1) for _ in range(2)]
    ended = [await run_with_secrets(api, jobs[0]["id"]) for _ in range(runs)]
    other = await api.json(202, "POST", f"/api/job/{jobs[1]['id']}/trigger", {"payload": {"to": "another"}})
    await api.execute(other["id"])
    await mail_missed(api, jobs[0])
    await archive_period(api, target)
    return jobs[0], ended


async def mail_missed(api: Api, job: Any) -> None:
    """Send a mail with the secret about a missed occurrence of the job."""
    missed = MailSent(outcome="missed", recipient=SECRET, message_id=SECRET, at=api.deps.clock.now())
    await record_mails(api.deps.pool, [MailResult(uuid4(), UUID(job["id"]), missed)], Actor("notifier"))


async def archive_period(api: Api, target: Target, month: int = 1) -> Archive:
    """Archive what has ended so far."""
    await end_period(api, month)
    archive = await Archiver(api.deps.pool, target, ACTOR).archive_due(ANY_AGE)
    assert archive is not None
    return archive


async def end_period(api: Api, month: int) -> None:
    """Open the period that follows in this month."""
    async with transaction(api.deps.pool) as db:
        assert await open_period(db, LATER.replace(month=month))
    await read_the_log(api.deps.pool)


async def files_with(target: Target, text: str) -> list[str]:
    """The files of archives that have the text, those of no manifest included."""
    return [name for name in await target.names() if text.encode() in await content_of(target, name)]


async def content_of(target: Target, name: str) -> bytes:
    """A file as it is, or its lines where it is compressed."""
    if not name.endswith(".zst"):
        return b"".join([part async for part in target.read(name)])
    return b"\n".join([line async for line in lines_of(target, name)])


async def lines_of(target: Target, name: str) -> AsyncIterator[bytes]:
    async for lines in read_lines(target.read(name)):
        for line in lines:
            yield line


async def faults(pool: Pool, target: Target) -> list[ArchiveFault]:
    """What `duebook archive verify` finds."""
    async with acquire(pool) as db:
        recorded = recorded_manifests(await chain(db))
    return [fault async for fault in check_archives(target, recorded, pool)]


async def all_archives(pool: Pool) -> list[Archive]:
    async with acquire(pool) as db:
        return await archives(db)


async def rewrite(api: Api, target: Target) -> list[str]:
    """The periods of the archives that were written anew."""
    done: list[Any] = []
    await Rewriter(api.deps.pool, target, ACTOR).rewrite_due(done.append)
    return [each.archive.period for each in done if each.rewritten]


async def erase(api: Api, run: Any) -> Any:
    return await api.json(200, "POST", f"/api/run/{run['id']}/erase", {"reason": "request 7"})
