"""The mail about an outcome of a run, or about occurrences that were missed together."""

from duebook_notifier.background import Background
from duebook_notifier.links import NO_LINKS, Links
from duebook_notifier.mail_text import MailText
from duebook_notifier.missed_text import missed_text
from duebook_notifier.run_text import run_text
from duebook_notifier.subject import MailSubject, MissedOccurrences

NO_BACKGROUND = Background()


def mail_text(
    subject: MailSubject, outcome: str, links: Links = NO_LINKS, background: Background = NO_BACKGROUND
) -> MailText:
    """The text of the mail about this outcome of the subject."""
    if isinstance(subject, MissedOccurrences):
        return missed_text(subject, links, background)
    return run_text(subject, outcome, links, background)
