"""The mail itself: plain text and HTML from templates, and headers safe from header injection."""

from datetime import datetime
from email.message import EmailMessage
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from duebook_common.runtime.mail_message import new_mail
from duebook_notifier.mail_text import MailText


def compose(text: MailText, *, sender: str, recipient: str, message_id: str, now: datetime) -> EmailMessage:
    """The mail to one recipient with this text. Raises ValueError for an invalid address."""
    headline = f"[Duebook] {text.headline}"
    mail = new_mail(sender=sender, recipients=[recipient], subject=headline, message_id=message_id, now=now)
    mail.set_content(_templates().get_template("mail.txt").render(text=text))
    mail.add_alternative(_templates().get_template("mail.html").render(text=text), subtype="html")
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
