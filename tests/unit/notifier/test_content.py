from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duebook_common.domain.definition import Backoff, CatchUp, Definition, Notify
from duebook_common.domain.job.events import OccurrencesSkipped
from duebook_common.domain.run.events import Trigger, run_id_at
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.smtp import address
from duebook_notifier.content import compose
from duebook_notifier.subject import MissedOccurrences

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
RUN = Run(
    id=UUID(int=7),
    version=9,
    job_id=UUID(int=8),
    job_name="nightly report",
    job_version=1,
    definition_version=1,
    task="reports.nightly",
    queue="default",
    priority=4,
    nominal_at=NOW,
    due_at=NOW,
    trigger=Trigger.SCHEDULE,
    max_attempts=4,
    backoff=Backoff(),
    notify=Notify(),
    status=RunStatus.DEAD_LETTERED,
    created_at=NOW,
    attempt=4,
    started_at=NOW,
    finished_at=NOW,
    error="connection <refused>\nby host",
    wake_at=NOW,
)


def mail(run: Run = RUN, outcome: str = "dead_lettered", to: str = "ops@example.com") -> EmailMessage:
    return compose(run, outcome, sender="duebook@localhost", recipient=to, message_id="<1@duebook>", now=NOW)


def missed(count: int = 3, reason: str = "missed", **fields: Any) -> EmailMessage:
    """The mail about daily occurrences that nobody dispatched in time."""
    definition = Definition(name="nightly report", scheduled_at=NOW, **fields)
    last = NOW + timedelta(days=count - 1)
    skipped = OccurrencesSkipped(first=NOW, last=last, count=count, reason=reason, next_at=None, at=last)
    news = MissedOccurrences(run_id_at(RUN.job_id, last), RUN.job_id, definition, skipped)
    return compose(news, "missed", sender="a@b", recipient="ops@example.com", message_id="<1@duebook>", now=NOW)


def text(mail: EmailMessage, kind: str = "plain") -> str:
    body = mail.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content


def test_a_dead_letter_says_what_happened_and_what_to_do() -> None:
    told = mail()
    assert told["Subject"] == "[Duebook] nightly report was given up after 4 attempts"
    for fact in (str(RUN.id), str(RUN.job_id), "reports.nightly", "2026-11-24 01:00:00 UTC", "connection <refused>"):
        assert fact in text(told)
    assert f"/api/dead-letter/{RUN.id}/redrive" in text(told)


def test_missed_occurrences_are_told_from_the_first_to_the_last_with_the_reason_and_the_remedy() -> None:
    told = missed()
    assert told["Subject"] == "[Duebook] nightly report missed 3 occurrences"
    for fact in (
        "First          2026-11-24 01:00:00 UTC",
        "Last           2026-11-26 01:00:00 UTC",
        "How many       3",
        "No scheduler came round in time when they were due; the job's catch-up policy is to run only the newest",
        f'POST /api/job/{RUN.job_id}/backfill   {{"from": "2026-11-24T01:00:00Z", "to": "2026-11-26T01:00:01Z"}}',
    ):
        assert fact in text(told)


def test_a_single_missed_occurrence_is_told_by_its_time() -> None:
    told = missed(1, "window", catch_up=CatchUp("all", timedelta(days=1)))
    assert told["Subject"] == "[Duebook] nightly report missed an occurrence"
    assert "Nominal time   2026-11-24 01:00:00 UTC" in text(told)
    assert "when it was due; it was older than the job's catch-up window of P1D when one did" in text(told)
    assert "is to run none" in text(missed(1, catch_up=CatchUp("none")))


def test_html_shows_what_it_is_told_and_never_obeys_it() -> None:
    told = text(mail(replace(RUN, job_name="<script>", error="</pre><img src=x>")), "html")
    assert "<script>" not in told
    assert "<img" not in told
    assert "&lt;script&gt; was given up" in told


@pytest.mark.parametrize(
    ("outcome", "subject"),
    [
        ("succeeded", "[Duebook] nightly report succeeded"),
        ("failed", "[Duebook] nightly report failed its attempt 4, a further one follows"),
        ("skipped", "[Duebook] nightly report was skipped (overlap)"),
        ("cancelled", "[Duebook] nightly report was cancelled (overlap)"),
        ("discarded", "[Duebook] nightly report was discarded (overlap)"),
    ],
)
def test_each_outcome_has_its_subject(outcome: str, subject: str) -> None:
    assert mail(replace(RUN, reason="overlap"), outcome)["Subject"] == subject


def test_a_run_that_never_started_is_told_of_too() -> None:
    assert "Started        -" in text(mail(replace(RUN, started_at=None, attempt=0, error=None), "skipped"))


def test_a_success_shows_its_result_and_a_long_one_in_part() -> None:
    run = replace(RUN, status=RunStatus.SUCCEEDED, error=None, result={"rows": 3})
    assert '"rows": 3' in text(mail(run, "succeeded"))
    long = text(mail(replace(run, result="x" * 5000), "succeeded"))
    assert "x" * 2000 in long.replace("\n", "")
    assert "x" * 2100 not in long.replace("\n", "")


@settings(deadline=None)  # the first one compiles the templates
@given(name=st.text(min_size=1, max_size=200), reason=st.text(max_size=300), error=st.text(max_size=300))
def test_nobody_adds_a_header(name: str, reason: str, error: str) -> None:
    for outcome in ("succeeded", "dead_lettered", "skipped"):
        told = mail(replace(RUN, job_name=name, reason=reason, error=error), outcome)
        assert len(str(told["Subject"]).splitlines()) == 1
        head = told.as_bytes().split(b"\r\n\r\n", 1)[0]
        names = {line.split(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in {b" ", b"\t"}}
        assert names == {
            b"from", b"to", b"subject", b"message-id", b"date", b"auto-submitted", b"mime-version", b"content-type"
        }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ops",
        "@example.com",
        "a@b@example.com",
        "a@example.com,b@example.com",
        "a@example.com b@example.com",
        "a@example.com\r\nBcc: b@example.com",
        "a\x00@example.com",
        "Ops <ops@example.com>",
        '"a,b"@example.com',
        "a@example.com;b@example.com",
        "a@[127.0.0.1]",
    ],
)
def test_only_one_plain_address_is_one(text: str) -> None:
    with pytest.raises(ValueError, match="not one e-mail address"):
        address(text)


@pytest.mark.parametrize("text", ["a@b", "ops+night@example.com", "o'neil@example.com", "ünï@example.com", "a..b@x.y"])
def test_unusual_addresses_are_addresses(text: str) -> None:
    assert mail(to=text)["To"] is not None
