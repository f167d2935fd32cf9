"""The sentence of a mail about a run, and what its reader is to do."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from duebook_common.domain.run.losses import EXECUTOR_ENDED, LOST
from duebook_common.domain.run.state import Run, RunStatus
from duebook_notifier.background import MOST_ALIKE, Alike, Background, error_group
from duebook_notifier.links import Links
from duebook_notifier.outcome_text import mail_text
from support.samples import HOUR, MINUTE, NOW, SECOND, a_run

DEAD = replace(
    a_run(), status=RunStatus.DEAD_LETTERED, attempt=4, failures=4, error="ValueError: no rows\nTraceback",
    executor="executor worker-7/311", started_at=NOW, finished_at=NOW + 2 * SECOND,
)  # fmt: skip
RETRYING = replace(DEAD, status=RunStatus.RETRYING, attempt=2, failures=2, wake_at=NOW + MINUTE)
HEBREW = "\u05e9\u05dc\u05d5\u05dd"
BERLIN = Background("Europe/Berlin")


def sentence(run: Run, outcome: str) -> str:
    text = mail_text(run, outcome)
    return text.headline + text.why


def facts(run: Run, outcome: str = "dead_lettered", background: Background = BERLIN) -> dict[str, str]:
    return dict(mail_text(run, outcome, background=background).facts)


def alike(outcome: str, *numbers: Any) -> str:
    run = DEAD if outcome == "dead_lettered" else RETRYING
    return mail_text(run, outcome, background=Background("Europe/Berlin", Alike(*numbers))).alike


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "after 4 attempts: the last error was “ValueError: no rows”."),
        ({"attempt": 1, "failures": 1, "max_attempts": 1}, "after 1 attempt: the error was “ValueError: no rows”."),
        ({"attempt": 2, "failures": 2}, "the last error was “ValueError: no rows”, and the task ruled out a retry."),
        ({"error": LOST}, ": its executor worker-7/311 was silent for longer than its lease."),
        ({"error": EXECUTOR_ENDED}, ": its executor worker-7/311 ended during the attempt."),
        ({"error": "\u202egnorw"}, "the last error was “gnorw”."),
        ({"error": HEBREW}, f"the last error was “\u2068{HEBREW}\u2069”."),
        ({"error": "x" * 9999}, f"the last error was “{'x' * 199}…”."),
    ],
)
def test_a_dead_letter_says_why_it_was_given_up(changes: dict[str, Any], why: str) -> None:
    assert sentence(replace(DEAD, **changes), "dead_lettered").endswith(why)


@pytest.mark.parametrize(
    ("outcome", "changes", "expected"),
    [
        ("failed", {}, "failed in attempt 2 and will be retried: the error was “ValueError: no rows”."),
        ("succeeded", {"attempt": 1, "failures": 0}, "nightly report succeeded within 2 seconds."),
        ("succeeded", {"attempt": 3}, "succeeded in attempt 3 within 2 seconds, after 2 failures."),
        ("skipped", {"reason": "overlap"}, "was skipped (overlap): another run of the job was active."),
        ("skipped", {"reason": "deadline"}, "(deadline): no attempt had started when its start_within was over."),
        ("skipped", {"reason": "of its own"}, "nightly report was skipped (of its own)."),
        ("cancelled", {"reason": "by hand", "attempt": 0}, "was cancelled (by hand) before an attempt started."),
        ("cancelled", {"reason": None}, "was cancelled after attempt 2 had started."),
    ],
)
def test_each_outcome_has_its_sentence(outcome: str, changes: dict[str, Any], expected: str) -> None:
    assert sentence(replace(RETRYING, **changes), outcome).endswith(expected)


def remedy(run: Run, outcome: str = "dead_lettered") -> str:
    return mail_text(run, outcome, background=BERLIN).remedy


def test_the_remedy_follows_the_cause() -> None:
    dead = replace(DEAD, pause_on_failure=True)
    assert remedy(dead).startswith("Fix the cause, then redrive the run: ")
    assert remedy(dead).endswith("A dead letter pauses this job, so resume it too.")
    assert "longer timeout" in remedy(replace(DEAD, error="timed out after 0.5 s"))
    assert "stopped that executor" in remedy(replace(DEAD, error=LOST))
    assert remedy(RETRYING, "failed") == (
        "Nothing is to be done: 2 attempts are left, and the next is due at 2026-11-24 02:01:00 +01:00 (01:01:00 UTC)."
    )
    assert remedy(replace(RETRYING, failures=3), "failed").startswith("Nothing is to be done: 1 attempt is")


@pytest.mark.parametrize(
    ("outcome", "numbers", "expected"),
    [
        ("dead_lettered", (1, 1, NOW), ""),
        ("dead_lettered", (2, 1, NOW), "2 dead letters failed alike since 2026-11-24 02:00 +01:00, this one included."),
        ("dead_lettered", (MOST_ALIKE, 5, NOW), "1,000 or more dead letters failed alike."),
        ("failed", (0, 0, None), ""),
        ("failed", (1, 1, NOW), "1 dead letter failed alike since 2026-11-24 02:00 +01:00."),
        ("failed", (60, 12, NOW), "60 dead letters of 12 jobs failed alike since 2026-11-24 02:00 +01:00."),
        ("succeeded", (60, 12, NOW), ""),
    ],
)
def test_a_failure_says_how_many_failed_alike_since_when(outcome: str, numbers: Any, expected: str) -> None:
    assert alike(outcome, *numbers) == expected


def test_a_retried_run_has_the_group_of_its_own_error() -> None:
    """A run that was redriven keeps the fingerprint of its earlier death."""
    redriven = replace(RETRYING, fingerprint="0" * 16)
    assert error_group(redriven, "failed") not in {"", "0" * 16}
    assert error_group(replace(DEAD, fingerprint="0" * 16), "dead_lettered") == "0" * 16


def test_facts_have_the_offset_of_the_jobs_zone_and_utc() -> None:
    late = NOW - timedelta(hours=1, minutes=30)
    assert (
        facts(replace(DEAD, nominal_at=late))["Nominal time"] == "2026-11-24 00:30:00 +01:00 (2026-11-23 23:30:00 UTC)"
    )
    assert facts(DEAD, background=Background())["Nominal time"] == "2026-11-24 01:00:00 UTC"
    assert facts(DEAD)["Executor"] == "worker-7/311"
    assert "Executor" not in facts(replace(DEAD, executor=None))


@pytest.mark.parametrize(
    ("attempt", "failures", "shown"), [(4, 4, "4 of 4"), (6, 4, "6, of which 4 of 4 failed"), (1, 0, "1")]
)
def test_attempts_are_counted_against_those_granted(attempt: int, failures: int, shown: str) -> None:
    assert facts(replace(DEAD, attempt=attempt, failures=failures))["Attempts"] == shown


def test_the_first_button_of_an_incident_leads_to_its_group() -> None:
    dead, links = replace(DEAD, fingerprint="0" * 16), Links("https://duebook.example.com")
    one = mail_text(dead, "dead_lettered", links, Background(alike=Alike(1, 1, NOW)))
    many = mail_text(dead, "dead_lettered", links, Background(alike=Alike(60, 12, NOW - HOUR)))
    retried = mail_text(RETRYING, "failed", links, Background(alike=Alike(1, 1, NOW)))
    assert [link.button for link in retried.links] == ["Open the run", "Open the job", "Open the one that failed alike"]
    assert [link.button for link in one.links] == ["Open the run", "Open the job"]
    assert [link.button for link in many.links] == ["Open all 60 that failed alike", "Open the run", "Open the job"]
