"""What became of a mail, recorded: load, decide, append, project, in one transaction."""

from uuid import UUID

from duebook_common.domain import mail as mail_domain
from duebook_common.domain.mail import MailEvent
from duebook_common.store import mail_projection
from duebook_common.store.database import Pool, transaction
from duebook_common.store.eventstore import Write, append
from duebook_common.store.job_handling import Actor, Conflict

_TRIES = 8


async def record_mail(pool: Pool, run_id: UUID, job_id: UUID, told: MailEvent, actor: Actor) -> bool:
    """Record what a try told; False where it was no news. Repeating the call is safe, whatever it raised.

    The mail stream's version judges: of two notifiers that tried the same mail, the slower decides anew.
    """
    for _ in range(_TRIES):
        async with transaction(pool) as db:
            mails = await mail_projection.load_mails(db, run_id)
            mail = mails.get((told.outcome, told.recipient))
            events = mail_domain.decide(mail, told)
            if not events:
                return False
            version = max((known.version for known in mails.values()), default=0)
            write = Write(mail_domain.stream(run_id), version, events, job_id, meta=actor.meta())
            if not await append(db, [write]):
                await mail_projection.put_mail(db, mail_domain.evolve(mail, run_id, job_id, version + 1, told))
                return True
    raise Conflict(f"the mails of run {run_id} kept changing under what one of them told")
