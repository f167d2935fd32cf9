"""How many mails each recipient may still get, counted in the database: by all notifiers, and through restarts."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from duebook_common.store.database import Connection

# Counting starts with the first mail, and anew with the first one after `ends_at`. A limit whose time was shortened
# applies at once. The rows are locked in sorted order, so that notifiers do not deadlock.
_TAKE = """
INSERT INTO mail_budgets AS budget (recipient, used, ends_at)
SELECT recipient, 1, $2::timestamptz + $3::interval FROM unnest($1::text[]) AS recipient ORDER BY recipient
ON CONFLICT (recipient) DO UPDATE SET
    used = CASE WHEN budget.ends_at <= $2 THEN 1 ELSE budget.used + 1 END,
    ends_at = CASE WHEN budget.ends_at <= $2 THEN excluded.ends_at ELSE least(budget.ends_at, excluded.ends_at) END
RETURNING recipient, used, ends_at
"""
_EXPIRE = "DELETE FROM mail_budgets WHERE ends_at <= $1"


async def take(
    db: Connection, recipients: Iterable[str], now: datetime, count: int, per: timedelta
) -> dict[str, datetime]:
    """Take one mail from the budget of each recipient; for each that has none left, when counting starts anew."""
    rows = await db.fetch(_TAKE, sorted(set(recipients)), now, per)
    return {row["recipient"]: row["ends_at"] for row in rows if row["used"] > count}


async def expire(db: Connection, now: datetime) -> None:
    """Delete the rows whose counting is over."""
    await db.execute(_EXPIRE, now)
