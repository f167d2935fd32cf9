"""The text of a mail about an outcome: a headline, facts, the error or result, and what to do next."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from duebook_common.domain.run.state import Run
from duebook_common.runtime.durations import iso
from duebook_notifier.subject import MailSubject, MissedOccurrences

_LONGEST_NAME, _LONGEST_REASON, _LONGEST_DETAIL = 120, 100, 2048  # characters
_FAILURES = frozenset({"failed", "dead_lettered"})
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class NextStep:
    """What the reader can do, with the API request that does it."""

    text: str
    request: str | None = None


@dataclass(frozen=True, slots=True)
class MailText:
    """What the templates show. `facts` are pairs of a label and a value."""

    headline: str
    facts: tuple[tuple[str, str], ...]
    detail: str = ""
    detail_title: str = ""
    next_steps: tuple[NextStep, ...] = ()


def mail_text(subject: MailSubject, outcome: str) -> MailText:
    """The text of the mail about this outcome of the subject."""
    return _of_missed(subject) if isinstance(subject, MissedOccurrences) else _of_run(subject, outcome)


def _of_run(run: Run, outcome: str) -> MailText:
    facts = [
        ("Job", _name(run)),
        ("Job id", str(run.job_id)),
        ("Run id", str(run.id)),
        ("Task", run.task),
        ("Queue", run.queue),
        ("Nominal time", _utc(run.nominal_at)),
        ("Started", _utc(run.started_at)),
        ("Finished", _utc(run.finished_at)),
        ("Attempts", str(run.attempt)),
        *([("Reason", run.reason)] if run.reason else []),
    ]
    return MailText(
        f"{_name(run)} {_what_happened(run, outcome)}",
        tuple(facts),
        _detail(run, outcome),
        "Error" if outcome in _FAILURES else "Result",
        _next_steps(run, outcome),
    )


def _what_happened(run: Run, outcome: str) -> str:
    reason = f" ({run.reason})" if run.reason and run.reason.isprintable() else ""
    match outcome:
        case "dead_lettered":
            return f"was given up after {run.attempt} attempt{'' if run.attempt == 1 else 's'}"
        case "failed":
            return f"failed in attempt {run.attempt} and will be retried"
        case "succeeded":
            return "succeeded"
        case _:
            return f"was {outcome.replace('_', ' ')}{reason[:_LONGEST_REASON]}"


def _detail(run: Run, outcome: str) -> str:
    """The error or the result without control characters, cut to the length that a mail shows."""
    result: Any = run.result
    text = orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() if result is not None else ""
    if outcome in _FAILURES:
        text = run.error or ""
    text = "".join(char for char in text if char.isprintable() or char in "\n\t")
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}\n… ({len(text)} characters in all)"


def _next_steps(run: Run, outcome: str) -> tuple[NextStep, ...]:
    dead_letter = f"POST /api/dead-letter/{run.id}"
    match outcome:
        case "dead_lettered":
            return (
                NextStep(
                    "Fix the cause, then redrive the run, which starts it again:",
                    f'{dead_letter}/redrive   {{"reason": "what was fixed"}}',
                ),
                NextStep("Or discard it:", f'{dead_letter}/discard   {{"reason": "why it is not needed"}}'),
            )
        case "failed":
            return (NextStep(f"Nothing. The next attempt is due at {_utc(run.wake_at)}."),)
        case _:
            return ()


def _of_missed(missed: MissedOccurrences) -> MailText:
    skipped, several = missed.skipped, missed.skipped.count > 1
    facts = [
        ("Job", _name(missed)),
        ("Job id", str(missed.job_id)),
        ("Task", missed.task),
        ("Queue", missed.queue),
        *(
            [("First", _utc(skipped.first)), ("Last", _utc(skipped.last))]
            if several
            else [("Nominal time", _utc(skipped.last))]
        ),
        ("Count", str(skipped.count)),
        ("Reason", _missed_because(missed)),
    ]
    what_happened = f"missed {skipped.count} occurrences" if several else "missed an occurrence"
    until = skipped.last.replace(microsecond=0) + _SECOND
    request = f'POST /api/job/{missed.job_id}/backfill   {{"from": "{_rfc(skipped.first)}", "to": "{_rfc(until)}"}}'
    they_are, them = ("they are", "them") if several else ("it is", "it")
    step = NextStep(f"Nothing, unless {they_are} still needed. In that case, backfill {them}:", request)
    return MailText(f"{_name(missed)} {what_happened}", tuple(facts), next_steps=(step,))


def _missed_because(missed: MissedOccurrences) -> str:
    several, policy = missed.skipped.count > 1, missed.definition.catch_up
    late = f"No scheduler dispatched {'them' if several else 'it'} in time"
    if missed.reason == "window":
        older = f"{'they were' if several else 'it was'} older than the job's catch-up window of {iso(policy.window)}"
        return f"{late}, and when one ran again, {older}"
    runs = "no missed occurrence" if policy.policy == "none" else "only the newest missed occurrence"
    return f"{late}, and the job's catch-up policy runs {runs}"


def _utc(time: datetime | None) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if time else "-"


def _rfc(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _name(subject: MailSubject) -> str:
    """The job's name on one line: unprintable characters, such as control characters, become spaces."""
    name = " ".join("".join(char if char.isprintable() else " " for char in subject.job_name).split())
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
