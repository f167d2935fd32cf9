"""The results of tries to send mails, and requests to send one again: each decided and recorded in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_common.domain import mail as mail_domain
from duebook_common.domain.errors import KeyReused
from duebook_common.domain.mail import Mail, MailEvent, MailResendRequested
from duebook_common.store.actor import Actor
from duebook_common.store.conflict import TRIES, Conflict
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import Write, append, read
from duebook_common.store.mail_projection import MailKey, load_mails_of, put_mails
from duebook_common.store.rows import periods_of


@dataclass(frozen=True, slots=True)
class MailResult:
    """What became of one mail about a run."""

    run_id: UUID
    job_id: UUID
    event: MailEvent


async def record_mails(pool: Pool, results: Sequence[MailResult], actor: Actor) -> list[MailResult]:
    """Record the results; returns those that were not recorded already. Safe to repeat, whatever it raised.

    The mail stream's version detects conflicts: if two notifiers try the same mail, the slower one decides again.
    """
    left, recorded = sorted(results, key=_run_id), list[MailResult]()
    for _ in range(TRIES):
        async with transaction(pool) as db:
            plans = await _plans(db, left, actor)
            lost = await append(db, [plan.write for plan in plans])
            kept = [plan for plan in plans if plan.write.stream not in lost]
            await put_mails(db, [mail for plan in kept for mail in plan.mails])
        recorded += [result for plan in kept for result in plan.results]
        left = [result for plan in plans if plan.write.stream in lost for result in plan.results]
        if not left:
            return recorded
    raise Conflict(f"the mails of run {left[0].run_id} kept changing while the result of a try was recorded")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to append about one run, the rows that follow from it, and the results that it records."""

    write: Write
    mails: Sequence[Mail]
    results: Sequence[MailResult]


async def _plans(db: Connection, results: Sequence[MailResult], actor: Actor) -> list[_Plan]:
    run_ids = [result.run_id for result in results]
    known, born = await load_mails_of(db, run_ids), await periods_of(db, run_ids)
    by_run = groupby(results, key=_run_id)
    plans = [_plan(known.get(run_id, {}), list(of_run), actor, born.get(run_id)) for run_id, of_run in by_run]
    return [plan for plan in plans if plan.results]


def _plan(known: Mapping[MailKey, Mail], results: Sequence[MailResult], actor: Actor, born: datetime | None) -> _Plan:
    """`born`: the period (UTC) of the run, which is that of the stream of its mails."""
    expected = max((mail.version for mail in known.values()), default=0)
    mails, new = dict(known), list[MailResult]()
    for result in results:
        event, key = result.event, (result.event.outcome, result.event.recipient)
        if mail_domain.decide(mails.get(key), event):
            new.append(result)
            version = expected + len(new)
            mails[key] = mail_domain.evolve(mails.get(key), result.run_id, result.job_id, version, event)
    first = results[0]
    stream, events = mail_domain.stream(first.run_id), [result.event for result in new]
    write = Write(stream, expected, events, first.job_id, meta=actor.meta(), born=born)
    return _Plan(write, [mail for key, mail in mails.items() if mail != known.get(key)], new)


def _run_id(result: MailResult) -> UUID:
    return result.run_id


@dataclass(frozen=True, slots=True)
class ResendRequest:
    """A request to send a mail again. With an Idempotency-Key it has an `id`, and the `hash` of what it asked for."""

    reason: str | None
    id: str | None = None
    hash: str | None = None


async def resend_mail(pool: Pool, run_id: UUID, key: MailKey, request: ResendRequest, actor: Actor) -> Mail | None:
    """Have the mail sent again; returns it, None if there is none. A repeated request changes nothing.

    Raises WrongStatus, and KeyReused for an Idempotency-Key of another request.
    """
    for _ in range(TRIES):
        async with transaction(pool) as db:
            mails = (await load_mails_of(db, [run_id])).get(run_id, {})
            mail = mails.get(key)
            if mail is None or await _is_repeat(db, mail, request):
                return mail
            event = await _requested(db, mail, request)
            if not mail_domain.resend(mail, event):
                return mail
            expected = max(each.version for each in mails.values())
            stream, born = mail_domain.stream(run_id), (await periods_of(db, [run_id])).get(run_id)
            write = Write(stream, expected, [event], mail.job_id, meta=actor.meta(), born=born)
            if not await append(db, [write]):
                changed = mail_domain.evolve(mail, run_id, mail.job_id, expected + 1, event)
                await put_mails(db, [changed])
                return changed
    raise Conflict(f"the mails of run {run_id} kept changing while one was to be sent again")


async def _is_repeat(db: Connection, mail: Mail, request: ResendRequest) -> bool:
    if request.id is None:
        return False
    for recorded in await read(db, mail_domain.stream(mail.run_id)):
        event = recorded.event
        if isinstance(event, MailResendRequested) and event.request == request.id:
            if (event.request_hash, event.outcome, event.recipient) != (request.hash, mail.outcome, mail.recipient):
                raise KeyReused
            return True
    return False


async def _requested(db: Connection, mail: Mail, request: ResendRequest) -> MailResendRequested:
    return MailResendRequested(
        outcome=mail.outcome,
        recipient=mail.recipient,
        message_id=mail_domain.resent_id(mail.run_id, mail.outcome, mail.recipient, uuids.uuid7()),
        reason=request.reason,
        at=await db.fetchval("SELECT clock_timestamp()"),
        request=request.id,
        request_hash=request.hash,
    )
