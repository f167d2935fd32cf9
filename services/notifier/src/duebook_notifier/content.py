"""What a mail says: plain text and HTML from templates, and headers into which nobody can put others."""

import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from duebook_notifier.news import News
from duebook_notifier.telling import telling

_ADDRESS = re.compile(r"""[^\s@,;:<>()\[\]"\\\x00-\x1f\x7f]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?""")


def address(text: str) -> Address:
    """One plain address, without a name; raises ValueError for anything else, several addresses included."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is not one e-mail address")
    username, _, domain = text.rpartition("@")
    return Address(username=username, domain=domain)


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
