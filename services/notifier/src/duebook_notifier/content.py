"""What a mail says: plain text and HTML from templates, and headers into which nobody can put others."""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from duebook_common.runtime.smtp import address
from duebook_notifier.mail_text import telling
from duebook_notifier.subject import News


def compose(news: News, outcome: str, *, sender: str, recipient: str, message_id: str, now: datetime) -> EmailMessage:
    """The mail that tells one recipient of an outcome. Raises ValueError for a bad address."""
    told = telling(news, outcome)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = address(sender)
    mail["To"] = address(recipient)
    mail["Subject"] = f"[Duebook] {told.headline}"
    mail["Message-ID"] = message_id
    mail["Date"] = now
    mail["Auto-Submitted"] = "auto-generated"  # so that no absence note answers
    mail.set_content(_templates().get_template("mail.txt").render(told=told))
    mail.add_alternative(_templates().get_template("mail.html").render(told=told), subtype="html")
    return mail


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("duebook_notifier"),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
