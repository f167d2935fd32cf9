"""The read model of mails: one row for each outcome and recipient, written in the transaction of the append."""

from typing import Any
from uuid import UUID

from duebook_common.domain.mail import Mail, MailStatus
from duebook_common.store.database import Connection

_KEY = ("run_id", "outcome", "recipient")
_MOVES = ("job_id", "version", "status", "message_id", "tries", "error", "wake_at", "updated_at")
_COLUMNS = (*_KEY, *_MOVES)
_PUT = f"""
INSERT INTO mails ({", ".join(_COLUMNS)}) VALUES ({", ".join(f"${n}" for n, _ in enumerate(_COLUMNS, 1))})
ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _MOVES)}
"""  # noqa: S608
_LOAD = "SELECT * FROM mails WHERE run_id = $1"


async def put_mail(db: Connection, mail: Mail) -> None:
    await db.execute(_PUT, *(getattr(mail, name) for name in _COLUMNS))


async def load_mails(db: Connection, run_id: UUID) -> dict[tuple[str, str], Mail]:
    """All mails about a run, by what they tell of and to whom."""
    mails = [mail_of(record) for record in await db.fetch(_LOAD, run_id)]
    return {(mail.outcome, mail.recipient): mail for mail in mails}


def mail_of(record: Any) -> Mail:
    """The mail that a row of `mails` holds."""
    return Mail(**{**record, "status": MailStatus(record["status"])})
