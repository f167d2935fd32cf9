"""The read model of mails: one row per outcome of a run and recipient, written in the transaction of the append."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from duebook_common.domain.mail import Mail, MailStatus
from duebook_common.store.database import Connection, rows_changed
from duebook_common.store.predicates import one_of

MailKey = tuple[str, str]  # outcome and recipient

_KEY = ("run_id", "outcome", "recipient")
_STATE = ("job_id", "version", "status", "message_id", "tries", "error", "wake_at", "updated_at")
_COLUMNS = (*_KEY, *_STATE)  # each named like the field of `Mail` that it holds
_PUT = f"""
INSERT INTO mails ({", ".join(_COLUMNS)}) VALUES ({", ".join(f"${n}" for n, _ in enumerate(_COLUMNS, 1))})
ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _STATE)}
"""  # noqa: S608
_LOAD = f"SELECT * FROM mails WHERE run_id {one_of('$1')}"  # noqa: S608
_DELETE_ORPHANS = """
DELETE FROM mails WHERE NOT EXISTS (
    SELECT FROM events WHERE stream = 'mail-' || mails.run_id AND version = 1
)
"""


async def put_mails(db: Connection, mails: Sequence[Mail]) -> None:
    """Insert the rows of the mails, or update them."""
    await db.executemany(_PUT, [[getattr(mail, name) for name in _COLUMNS] for mail in mails])


async def load_mails(db: Connection, run_id: UUID) -> dict[MailKey, Mail]:
    """All mails about a run."""
    return (await load_mails_of(db, [run_id])).get(run_id, {})


async def load_mails_of(db: Connection, run_ids: Sequence[UUID]) -> dict[UUID, dict[MailKey, Mail]]:
    """All mails about these runs, by run."""
    mails: dict[UUID, dict[MailKey, Mail]] = {}
    for mail in [mail_of(record) for record in await db.fetch(_LOAD, run_ids)]:
        mails.setdefault(mail.run_id, {})[mail.outcome, mail.recipient] = mail
    return mails


def mail_of(record: Any) -> Mail:
    """The mail that a row of `mails` holds."""
    return Mail(**{**record, "status": MailStatus(record["status"])})


async def delete_orphans(db: Connection) -> int:
    """Delete the rows that have no stream: `rebuild`. Returns how many."""
    return rows_changed(await db.execute(_DELETE_ORPHANS))
