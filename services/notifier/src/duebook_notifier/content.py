"""The mail itself: plain text and HTML from templates, and headers safe from header injection."""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache, lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from duebook_common.runtime.mail_message import new_mail
from duebook_notifier.colours import DARK, LIGHT, LOOKS
from duebook_notifier.mail_text import MailText
from duebook_notifier.phrases import without_isolates

_LONGEST_LINE = 998  # bytes, without its end (RFC 5322)


def compose(text: MailText, *, sender: str, recipient: str, message_id: str, now: datetime) -> EmailMessage:
    """The mail to one recipient with this text. Raises ValueError for an invalid address."""
    subject = f"[Duebook] {without_isolates(text.headline)}"
    mail = new_mail(sender=sender, recipients=[recipient], subject=subject, message_id=message_id, now=now)
    mail["MIME-Version"] = "1.0"
    mail.make_alternative()
    for part in _parts(text):
        mail.attach(part)
    return mail


@lru_cache(maxsize=32)
def _parts(text: MailText) -> tuple[EmailMessage, EmailMessage]:
    """Plain text and HTML. The mails about one outcome share them, because to encode them takes most of the time."""
    plain, html = EmailMessage(SMTP), EmailMessage(SMTP)
    plain.set_content(_render("mail.txt", text))
    source = _render("mail.html", text).encode("ascii", "xmlcharrefreplace")
    fits = max(map(len, source.splitlines())) <= _LONGEST_LINE
    html.set_content(source.decode(), subtype="html", cte="7bit" if fits else "quoted-printable")
    for part in (plain, html):
        del part["MIME-Version"]  # the whole mail has it
    return plain, html


def _render(template: str, text: MailText) -> str:
    return _templates().get_template(template).render(text=text)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("duebook_notifier"),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(light=LIGHT, dark=DARK, looks=LOOKS)
    return environment
