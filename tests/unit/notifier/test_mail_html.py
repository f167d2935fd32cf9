"""The HTML of mails: whatever a client wrote, it loads nothing, runs nothing, ends, and says what the text says."""

import subprocess
import sys
import zipfile
from dataclasses import replace
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from duebook_common.domain.run.state import RunStatus
from duebook_notifier.background import Alike, Background
from duebook_notifier.content import compose
from duebook_notifier.digest_text import ErrorGroup, digest_text
from duebook_notifier.links import Links
from duebook_notifier.mail_text import MailText
from duebook_notifier.outcome_text import mail_text
from support.samples import NOW, a_run

LINKS = Links("https://duebook.example.com")
TAGS = {
    "html", "head", "meta", "title", "style", "body", "table", "tr", "td", "th", "div", "h1", "h2", "strong", "p",
    "pre", "a", "br", "span", "code",
}  # fmt: skip
VOID = {"meta", "br"}
HOSTILE = [
    '</script><script>alert(1)</script><img src="http://evil.example/x.png" onerror=alert(1)>',
    "\u202e\u2066live\u2069 שלום",
    "👩‍🚀" * 200,
    '"><a href="javascript:alert(1)">x</a>',
    "</pre></style></title></td>",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 262_144,
    "\x00\r\n\u2028\u2029\ud7ff\ufffe",
    str(2**60),
]
_TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=300)
SERVICE = Path(__file__).parents[3] / "services/notifier"
LARGEST = 60_000  # bytes; Gmail cuts a mail that is longer than 102 kB


class Page(HTMLParser):
    """The tags, attributes and words of HTML; every tag must be closed where it was opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def mail_of(text: MailText) -> EmailMessage:
    return compose(text, sender="a@b", recipient="ops@example.com", message_id="<1@duebook>", now=NOW)


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content


def dead_letter(name: str = "nightly report", error: str = "boom", payload: Any = None) -> MailText:
    run = replace(
        a_run(), status=RunStatus.DEAD_LETTERED, job_name=name, task=name[:200], error=error, attempt=4, failures=4,
        executor=f"executor {name[:200]}", fingerprint="0123456789abcdef", started_at=NOW, finished_at=NOW,
    )  # fmt: skip
    return mail_text(run, "dead_lettered", LINKS, Background(alike=Alike(60, 12, NOW), payload=payload))


@settings(deadline=None)  # the first one compiles the templates
@example(HOSTILE[0], HOSTILE[6], HOSTILE[3])
@example(HOSTILE[2], HOSTILE[1], HOSTILE[4])
@given(_TEXTS, _TEXTS, _TEXTS)
def test_a_text_from_outside_adds_no_tag_no_attribute_and_no_length(name: str, error: str, payload: str) -> None:
    mail = mail_of(dead_letter(f"n{name}", f"e{error}", {"text": payload}))
    page = Page(body(mail, "html"))
    assert page.attributes == Page(body(mail_of(dead_letter(payload={"a": 1})), "html")).attributes
    assert len(mail.as_bytes()) < LARGEST
    assert all(len(line) <= 998 for line in mail.as_bytes().split(b"\r\n"))


@given(st.lists(_TEXTS, min_size=1, max_size=10))
@settings(deadline=None)
def test_a_digest_of_hostile_errors_is_harmless_and_short(errors: list[str]) -> None:
    groups = [ErrorGroup("0123456789abcdef", error, 12, 2, NOW) for error in errors]
    mail = mail_of(digest_text([], {}, LINKS, groups))
    plain = [ErrorGroup("0123456789abcdef", "boom", 12, 2, NOW) for _ in errors]
    expected = Page(body(mail_of(digest_text([], {}, LINKS, plain)), "html"))
    assert Page(body(mail, "html")).attributes == expected.attributes
    assert len(mail.as_bytes()) < LARGEST


def test_the_html_loads_nothing_and_links_only_to_the_console() -> None:
    page = Page(body(mail_of(dead_letter()), "html"))
    assert not {name for _, name, _ in page.attributes} & {"src", "srcset", "background", "onclick", "onload"}
    assert {value.split("?")[0].rpartition("/")[0] for _, name, value in page.attributes if name == "href"} == {
        "https://duebook.example.com/console",
        "https://duebook.example.com/console/runs",
        "https://duebook.example.com/console/jobs",
    }
    source = body(mail_of(dead_letter()), "html")
    assert "url(" not in source
    assert "@import" not in source


def test_the_html_is_the_last_part_and_says_what_the_text_says() -> None:
    mail = mail_of(dead_letter(payload={"tenant": 7}))
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    words, plain = Page(body(mail, "html")).words, body(mail, "plain")
    sentence = "nightly report was given up after 4 attempts: the last error was “boom”."
    assert plain.startswith(sentence)
    for part in (
        sentence,
        "Fix the cause, then redrive the run",
        "60 dead letters of 12 jobs failed alike",
        '"tenant": 7',
    ):
        assert part in plain
        assert "".join(part.split()) in "".join(words)


def test_both_themes_are_in_the_html() -> None:
    source = body(mail_of(dead_letter()), "html")
    assert "@media (prefers-color-scheme: dark)" in source
    assert "max-width:640px" in source


def test_the_mails_of_one_outcome_share_their_parts() -> None:
    """Encoding a mail takes longer than all the rest of composing it."""
    one, other = mail_of(dead_letter()), mail_of(dead_letter())
    assert [*one.iter_parts()] == [*other.iter_parts()]
    assert one.as_bytes().count(b"nightly report was given up") == other.as_bytes().count(
        b"nightly report was given up"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_the_text_part_has_no_control_characters_of_a_client(text: str) -> None:
    plain = body(mail_of(dead_letter(text, text, text)), "plain").replace("\r\n", "\n")
    assert not {char for char in plain if not char.isprintable()} - {"\n", "\t", "\u2068", "\u2069"}


def test_the_wheel_carries_the_templates(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    subprocess.run(command, cwd=SERVICE, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    templates = {f"duebook_notifier/templates/{name}" for name in ("mail.html", "mail.txt")}
    assert templates <= set(zipfile.ZipFile(wheel).namelist())
