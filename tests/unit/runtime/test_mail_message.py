"""Headers of mails: one line each, as they are written and as a mail program decodes them."""

from base64 import b64encode
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duebook_common.runtime.mail_message import new_mail, one_line
from support.samples import NOW

HEADERS = ["From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted"]


def encoded(text: str) -> str:
    """The text as an encoded word, as an attacker would hide a line break."""
    return f"=?utf-8?b?{b64encode(text.encode()).decode()}?="


FORGED = encoded("ok\r\nReply-To: evil@example.com")
QUOTED = "=?utf-8?q?ok=0D=0AReply-To:_evil@example.com?="
_ATTACKS = st.sampled_from([FORGED, QUOTED, "=?", "?=", "=", "?", "\r\n", "\x85", "\u2028", "ä", " ", "=?us-ascii?Q?"])


def written(subject: str) -> EmailMessage:
    """The mail with this subject, as its reader parses it."""
    mail = new_mail(
        sender="duebook@localhost", recipients=["a@example.com", "b@exämple.com"], subject=subject, message_id="<1@d>",
        now=NOW,
    )  # fmt: skip
    return message_from_bytes(mail.as_bytes(), policy=policy.default)


@pytest.mark.parametrize("text", [FORGED, QUOTED, f"a{FORGED}b", f"{FORGED} {QUOTED}", f"={FORGED}", "a\u2028b\x85c"])
def test_a_subject_adds_no_header(text: str) -> None:
    mail = written(text)
    assert list(mail) == HEADERS
    assert "evil@example.com" not in str(mail["Reply-To"])


def test_an_encoded_word_is_shown_as_it_was_written() -> None:
    assert written("=?utf-8?q?ok?=")["Subject"] == "= ?utf-8?q?ok?="
    assert written("Is 1+1=2? Grüße")["Subject"] == "Is 1+1=2? Grüße"


@example(FORGED)
@given(st.lists(_ATTACKS | st.text(max_size=40), max_size=12).map("".join))
def test_no_text_becomes_more_than_one_header_line(text: str) -> None:
    mail = written(text)
    assert list(mail) == HEADERS
    assert len(str(mail["Subject"]).splitlines()) <= 1
    assert mail.get_payload() == ""


def test_an_international_domain_is_written_as_xn() -> None:
    assert written("x")["To"] == "a@example.com, b@xn--exmple-cua.com"


def test_emoji_and_other_scripts_stay_as_they_are() -> None:
    assert one_line("👩‍🚀 تقرير ok") == "👩‍🚀 تقرير ok"
