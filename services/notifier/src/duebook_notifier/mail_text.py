"""What a mail says of an outcome, in words that need no manual: a headline, facts, a detail, and what to do next."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from duebook_common.domain.run.state import Run
from duebook_common.runtime.durations import iso
from duebook_notifier.subject import MissedOccurrences, News

_LONGEST_NAME, _LONGEST_DETAIL = 120, 2048
_FAILURES = frozenset({"failed", "dead_lettered"})
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do next; `request` is how, where that is a call of the API."""

    says: str
    request: str | None = None


@dataclass(frozen=True, slots=True)
class MailText:
    headline: str
    facts: tuple[tuple[str, str], ...]
    detail: str = ""
    detail_is: str = ""
    advice: tuple[Advice, ...] = ()


def telling(news: News, outcome: str) -> MailText:
    """The outcome in words; a run as it stood then."""
    return _of_missed(news) if isinstance(news, MissedOccurrences) else _of_run(news, outcome)


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
        f"{_name(run)} {_verdict(run, outcome)}",
        tuple(facts),
        _detail(run, outcome),
        "Error" if outcome in _FAILURES else "Result",
        _advice(run, outcome),
    )


def _verdict(run: Run, outcome: str) -> str:
    because = f" ({run.reason})" if run.reason and run.reason.isprintable() else ""
    match outcome:
        case "dead_lettered":
            return f"was given up after {run.attempt} attempt{'' if run.attempt == 1 else 's'}"
        case "failed":
            return f"failed its attempt {run.attempt}, a further one follows"
        case "succeeded":
            return "succeeded"
        case _:
            return f"was {outcome.replace('_', ' ')}{because[:100]}"


def _detail(run: Run, outcome: str) -> str:
    """The error or the result, on lines of its own, cut to what a mail can show."""
    result: Any = run.result
    text = orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() if result is not None else ""
    if outcome in _FAILURES:
        text = run.error or ""
    text = "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}\n… ({len(text)} characters in all)"


def _advice(run: Run, outcome: str) -> tuple[Advice, ...]:
    dead_letter = f"POST /api/dead-letter/{run.id}"
    match outcome:
        case "dead_lettered":
            return (
                Advice(
                    "Mend the cause, then have it tried again:",
                    f'{dead_letter}/redrive   {{"reason": "why it will work now"}}',
                ),
                Advice("or let it rest:", f'{dead_letter}/discard   {{"reason": "why it need not work"}}'),
            )
        case "failed":
            return (Advice(f"Nothing: it is tried again at {_utc(run.wake_at)}."),)
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
        ("How many", str(skipped.count)),
        ("Reason", _why(missed)),
    ]
    what = f"missed {skipped.count} occurrences" if several else "missed an occurrence"
    until = skipped.last.replace(microsecond=0) + _SECOND
    request = f'POST /api/job/{missed.job_id}/backfill   {{"from": "{_rfc(skipped.first)}", "to": "{_rfc(until)}"}}'
    advice = (Advice(f"Nothing, or make up for {'them' if several else 'it'}:", request),)
    return MailText(f"{_name(missed)} {what}", tuple(facts), advice=advice)


def _why(missed: MissedOccurrences) -> str:
    they, policy = "they were" if missed.skipped.count > 1 else "it was", missed.definition.catch_up
    late = f"No scheduler came round in time when {they} due"
    if missed.reason == "window":
        return f"{late}; {they} older than the job's catch-up window of {iso(policy.window)} when one did"
    return f"{late}; the job's catch-up policy is to run {'none' if policy.policy == 'none' else 'only the newest'}"


def _utc(time: datetime | None) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if time else "-"


def _rfc(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _name(news: News) -> str:
    """The job's name on one line: control characters and anything else unprintable become spaces."""
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in news.job_name).split())
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
