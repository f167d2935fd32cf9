"""The mail about a dead letter, as a mailbox shows it."""

from datetime import UTC, datetime
from uuid import UUID

from duebook_common.store.database import Pool, acquire
from duebook_common.store.rows import load_runs
from duebook_notifier.background import load_background
from duebook_notifier.content import compose
from duebook_notifier.links import Links
from duebook_notifier.outcome_text import mail_text

_LINKS = Links("https://duebook.example.com")


async def mail_html(pool: Pool, run_id: str) -> str:
    """The HTML of the mail about this run."""
    async with acquire(pool) as db:
        [run] = (await load_runs(db, [UUID(run_id)])).values()
        text = mail_text(run, "dead_lettered", _LINKS, await load_background(db, run, "dead_lettered"))
    given = {"sender": "duebook@example.com", "recipient": "ops@example.com", "message_id": "<1@duebook>"}
    body = compose(text, **given, now=datetime.now(UTC)).get_body(("html",))
    assert body is not None
    return str(body.get_content())
