"""The content of mails: headers, plain text and HTML."""

import shlex
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.main import get_command

from duebook.cli.app import app
from duebook_common.domain.definition import CatchUp
from duebook_common.domain.job.events import OccurrencesSkipped
from duebook_common.domain.run.ids import run_id_at
from duebook_common.domain.run.state import Run, RunStatus
from duebook_notifier.background import Alike, Background
from duebook_notifier.content import compose
from duebook_notifier.links import NO_LINKS, Links
from duebook_notifier.outcome_text import NO_BACKGROUND, mail_text
from duebook_notifier.subject import MissedOccurrences
from support.samples import DAY, NOW, a_definition, a_run

ALIKE = Alike(12, 3, NOW - DAY)
RUN = replace(
    a_run(task="reports.nightly"),
    status=RunStatus.DEAD_LETTERED,
    attempt=4,
    failures=4,
    executor="executor worker-7/311",
    started_at=NOW,
    finished_at=NOW,
    error="connection <refused>\nby host",
)


def mail(
    run: Run = RUN, outcome: str = "dead_lettered", to: str = "ops@example.com", *, links: Links = NO_LINKS,
    background: Background = NO_BACKGROUND,
) -> EmailMessage:  # fmt: skip
    text = mail_text(run, outcome, links, background)
    return compose(text, sender="duebook@localhost", recipient=to, message_id="<1@duebook>", now=NOW)


def missed(count: int = 3, reason: str = "missed", **fields: Any) -> EmailMessage:
    """The mail about missed daily occurrences."""
    definition = a_definition(**fields)
    last = NOW + (count - 1) * DAY
    skipped = OccurrencesSkipped(first=NOW, last=last, count=count, reason=reason, next_at=None, at=last)
    subject = MissedOccurrences(run_id_at(RUN.job_id, last), RUN.job_id, definition, skipped)
    text = mail_text(subject, "missed")
    return compose(text, sender="a@b", recipient="ops@example.com", message_id="<1@duebook>", now=NOW)


def text(mail: EmailMessage, kind: str = "plain") -> str:
    body = mail.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content


def test_a_dead_letter_says_what_happened_and_what_to_do() -> None:
    message = mail()
    assert message["Subject"] == "[Duebook] nightly report was given up after 4 attempts"
    for fact in (str(RUN.id), str(RUN.job_id), "reports.nightly", "2026-11-24 01:00:00 UTC", "connection <refused>"):
        assert fact in text(message)
    assert f"/api/dead-letter/{RUN.id}/redrive" in text(message)


def test_missed_occurrences_have_first_last_count_reason_and_a_next_step() -> None:
    message = missed()
    assert message["Subject"] == "[Duebook] nightly report missed 3 occurrences"
    for fact in (
        "First          2026-11-24 01:00:00 UTC",
        "Last           2026-11-26 01:00:00 UTC",
        "Count          3",
        "occurrences: no scheduler dispatched them in time, and the job's catch-up policy runs only the newest missed",
        f'POST /api/job/{RUN.job_id}/backfill   {{"from": "2026-11-24T01:00:00Z", "to": "2026-11-26T01:00:01Z"}}',
    ):
        assert fact in text(message)


def test_a_single_missed_occurrence_is_named_by_its_time() -> None:
    message = missed(1, "window", catch_up=CatchUp("all", DAY))
    assert message["Subject"] == "[Duebook] nightly report missed an occurrence"
    assert "Nominal time   2026-11-24 01:00:00 UTC" in text(message)
    assert "in time, and when one ran again, it was older than the job's catch-up window of 1 day" in text(message)
    assert "runs no missed occurrence" in text(missed(1, catch_up=CatchUp("none")))


def test_a_dead_letter_links_to_its_pages_and_names_commands_payload_and_count() -> None:
    run = replace(RUN, fingerprint="0123456789abcdef")
    background = Background(alike=ALIKE, payload={"tenant": "x" * 1000})
    written = mail(run, links=Links("https://duebook.example.com/x"), background=background)
    for fact in (
        f"Run            https://duebook.example.com/x/console/runs/{RUN.id}",
        f"Job            https://duebook.example.com/x/console/jobs/{RUN.job_id}",
        "https://duebook.example.com/x/console/dead-letters?fingerprint=0123456789abcdef",
        f"POST https://duebook.example.com/x/api/dead-letter/{RUN.id}/redrive",
        f'duebook dead-letter redrive {RUN.id} --reason "what was fixed"',
        "duebook dead-letter redrive --fingerprint 0123456789abcdef --rate 10",
        "12 dead letters of 3 jobs failed alike since 2026-11-23 01:00 UTC, this one included.",
        '"tenant": "xxxx',
        "characters in all)",
    ):
        assert fact in text(written), fact
    assert "x" * 501 not in text(written)
    assert f'<a href="https://duebook.example.com/x/console/runs/{RUN.id}"' in text(written, "html")


def test_without_a_public_url_nothing_is_linked() -> None:
    assert "/console/" not in text(mail(background=Background(alike=ALIKE)))
    assert "<a " not in text(mail(), "html")
    assert f"POST /api/dead-letter/{RUN.id}/redrive" in text(mail())
    assert f"duebook run why {RUN.id}" in text(mail())


def test_a_command_line_of_a_mail_is_one_that_the_command_line_knows() -> None:
    run = replace(RUN, fingerprint="0123456789abcdef", pause_on_failure=True)
    outcomes = [mail(run, background=Background(alike=ALIKE)), missed(), mail(outcome="skipped")]
    lines = "".join(map(text, outcomes))
    commands = [shlex.split(line)[1:] for line in lines.splitlines() if line.startswith("    duebook ")]
    assert [command[:2] for command in commands] == [
        ["run", "why"], ["dead-letter", "list"], ["dead-letter", "redrive"], ["dead-letter", "redrive"],
        ["dead-letter", "discard"], ["job", "resume"], ["job", "show"], ["job", "backfill"], ["run", "why"],
        ["run", "rerun"],
    ]  # fmt: skip
    root: Any = get_command(app)
    for group, name, *arguments in commands:
        root.commands[group].commands[name].make_context(name, arguments)


def test_html_escapes_what_comes_from_outside() -> None:
    html = text(mail(replace(RUN, job_name="<script>", error="</pre><img src=x>")), "html")
    assert "<script>" not in html
    assert "<img" not in html
    assert "&lt;script&gt; was given up" in html
    assert "&lt;/pre&gt;&lt;img src=x&gt;" in html


@pytest.mark.parametrize(
    ("outcome", "subject"),
    [
        ("succeeded", "[Duebook] nightly report succeeded"),
        ("failed", "[Duebook] nightly report failed in attempt 4 and will be retried"),
        ("skipped", "[Duebook] nightly report was skipped (overlap)"),
        ("cancelled", "[Duebook] nightly report was cancelled (overlap)"),
        ("discarded", "[Duebook] nightly report was discarded (overlap)"),
    ],
)
def test_each_outcome_has_its_subject(outcome: str, subject: str) -> None:
    assert mail(replace(RUN, reason="overlap"), outcome)["Subject"] == subject


def test_a_run_that_never_started_has_no_start_time() -> None:
    skipped = text(mail(replace(RUN, started_at=None, attempt=0, error=None), "skipped"))
    assert not [line for line in skipped.splitlines() if line.startswith(("Started ", "Attempts "))]


def test_a_success_shows_its_result_and_cuts_a_long_one() -> None:
    run = replace(RUN, status=RunStatus.SUCCEEDED, error=None, result={"rows": 3})
    assert '"rows": 3' in text(mail(run, "succeeded"))
    long = text(mail(replace(run, result="x" * 5000), "succeeded"))
    assert "x" * 2000 in long.replace("\n", "")
    assert "x" * 2100 not in long.replace("\n", "")


ENCODED_WORD = "=?utf-8?b?b2sNClJlcGx5LVRvOiBldmlsQGV4YW1wbGUuY29t?="  # ok\r\nReply-To: evil@example.com


@pytest.mark.parametrize(("name", "reason"), [(ENCODED_WORD, "x"), ("x", ENCODED_WORD), (f"a {ENCODED_WORD}", "x")])
def test_an_encoded_word_in_a_name_or_a_reason_forges_no_header(name: str, reason: str) -> None:
    for outcome in ("succeeded", "skipped"):
        written = mail(replace(RUN, job_name=name, reason=reason), outcome).as_bytes()
        assert message_from_bytes(written, policy=default)["Reply-To"] is None


@settings(deadline=None)  # the first one compiles the templates
@given(name=st.text(min_size=1, max_size=200), reason=st.text(max_size=300), error=st.text(max_size=300))
def test_no_text_from_outside_adds_a_header(name: str, reason: str, error: str) -> None:
    for outcome in ("succeeded", "dead_lettered", "skipped"):
        message = mail(replace(RUN, job_name=name, reason=reason, error=error), outcome)
        assert len(str(message["Subject"]).splitlines()) == 1
        head = message.as_bytes().split(b"\r\n\r\n", 1)[0]
        names = {line.split(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in {b" ", b"\t"}}
        assert names == {
            b"from", b"to", b"subject", b"message-id", b"date", b"auto-submitted", b"mime-version", b"content-type"
        }  # fmt: skip


@pytest.mark.parametrize(
    "recipient", ["a@b", "ops+night@example.com", "o'neil@example.com", "ops@exämple.com", "x=y@example.com"]
)
def test_unusual_addresses_are_accepted(recipient: str) -> None:
    assert mail(to=recipient)["To"] is not None
