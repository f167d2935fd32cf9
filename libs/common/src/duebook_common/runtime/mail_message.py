"""The headers of a mail, safe from injection: texts from outside stay one line, and nothing in them is decoded.

Python's parser decodes encoded words (RFC 2047) in a header that a program sets. Before 3.11.10 and 3.12.5 it then
writes out the line break that such a word may hide.
"""

from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from unicodedata import category

from duebook_common.domain.addresses import mailable

_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # categories: controls, surrogates, separators of lines and paragraphs


def new_mail(*, sender: str, recipients: Sequence[str], subject: str, message_id: str, now: datetime) -> EmailMessage:
    """A mail without content. Raises ValueError for an address that cannot be mailed."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(sender)
    mail["To"] = [_address(recipient) for recipient in recipients]
    mail["Subject"] = one_line(subject)
    mail["Message-ID"] = message_id
    mail["Date"] = now
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: keeps vacation responders silent
    _check(mail)
    return mail


def one_line(text: str) -> str:
    """The text as a header carries it: a space for each control character, and no start of an encoded word."""
    return "".join(" " if breaks_line(char) else char for char in text).replace("=?", "= ?")


def breaks_line(char: str) -> bool:
    """Whether the character may end a line somewhere between the sender and a reader, or cannot be sent at all."""
    return category(char) in _BREAKS


def _address(text: str) -> Address:
    username, _, domain = mailable(text).partition("@")
    return Address(username=username, domain=domain)


def _check(mail: EmailMessage) -> None:
    """Check each header as a mail program decodes it."""
    for name, value in mail.items():
        if any(map(breaks_line, str(value))):
            raise ValueError(f"its header {name} has a line break or a control character once it is decoded")
