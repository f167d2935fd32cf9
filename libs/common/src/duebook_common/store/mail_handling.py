"""The results of tries to send mails: load, decide, append and project, in one transaction."""

from uuid import UUID

from duebook_common.domain import mail as mail_domain
from duebook_common.domain.mail import MailEvent
from duebook_common.store import mail_projection
from duebook_common.store.actor import Actor
from duebook_common.store.conflict import TRIES, Conflict
from duebook_common.store.database import Pool, transaction
from duebook_common.store.eventstore import Write, append


async def record_mail(pool: Pool, run_id: UUID, job_id: UUID, event: MailEvent, actor: Actor) -> bool:
    """Record the result of a try; False if it is recorded already. Safe to repeat, whatever it raised.

    The mail stream's version detects conflicts: if two notifiers try the same mail, the slower one decides again.
    """
    for _ in range(TRIES):
        async with transaction(pool) as db:
            mails = await mail_projection.load_mails(db, run_id)
            mail = mails.get((event.outcome, event.recipient))
            events = mail_domain.decide(mail, event)
            if not events:
                return False
            version = max((known.version for known in mails.values()), default=0)
            write = Write(mail_domain.stream(run_id), version, events, job_id, meta=actor.meta())
            if not await append(db, [write]):
                await mail_projection.put_mail(db, mail_domain.evolve(mail, run_id, job_id, version + 1, event))
                return True
    raise Conflict(f"the mails of run {run_id} kept changing while the result of a try was recorded")
