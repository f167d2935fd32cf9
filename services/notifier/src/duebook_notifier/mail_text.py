"""The text of a mail about an outcome: a headline, facts, links, the error or result, and what to do next."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from duebook_common.domain.run.state import Run
from duebook_common.runtime.durations import iso
from duebook_notifier.links import NO_LINKS, Links
from duebook_notifier.subject import FAILURES, MOST_ALIKE, Background, MailSubject, MissedOccurrences

_LONGEST_NAME, _LONGEST_REASON, _LONGEST_DETAIL, _LONGEST_PAYLOAD = 120, 100, 2048, 500  # characters
_SECOND = timedelta(seconds=1)
NO_BACKGROUND = Background()


@dataclass(frozen=True, slots=True)
class NextStep:
    """What the reader can do, with the commands and requests each of which does it."""

    text: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a digest, and where it leads to."""

    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Detail:
    """A longer text, such as an error."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class MailText:
    """What the templates show. `facts` are pairs of a label and a value, `links` of a label and a URL."""

    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    lines: tuple[Line, ...] = ()
    details: tuple[Detail, ...] = ()
    next_steps: tuple[NextStep, ...] = ()


def mail_text(
    subject: MailSubject, outcome: str, links: Links = NO_LINKS, background: Background = NO_BACKGROUND
) -> MailText:
    """The text of the mail about this outcome of the subject."""
    if isinstance(subject, MissedOccurrences):
        return _of_missed(subject, links)
    return _of_run(subject, outcome, links, background)


def _of_run(run: Run, outcome: str, links: Links, background: Background) -> MailText:
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
        *([("Failed alike", _alike(background.alike))] if background.alike > 1 else []),
    ]
    return MailText(
        f"{_name(run)} {_what_happened(run, outcome)}",
        tuple(facts),
        _links(run, links, background),
        details=_details(run, outcome, background),
        next_steps=_next_steps(run, outcome, links, background),
    )


def _alike(count: int) -> str:
    return f"{count if count < MOST_ALIKE else f'{MOST_ALIKE} or more'} dead letters, this one included"


def _links(run: Run, links: Links, background: Background) -> tuple[tuple[str, str], ...]:
    """Where the reader finds more: the run, its job, and the dead letters that failed alike."""
    group = links.group(run.fingerprint) if run.fingerprint and background.alike > 1 else ""
    pages = (("Run", links.run(run.id)), ("Job", links.job(run.job_id)), ("Failed alike", group))
    return tuple((label, url) for label, url in pages if url)


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


def _details(run: Run, outcome: str, background: Background) -> tuple[Detail, ...]:
    """The error and the payload, or the result."""
    if outcome not in FAILURES:
        details = [Detail("Result", _shortened(_json(run.result), _LONGEST_DETAIL))]
    else:
        error, payload = run.error or "", _json(background.payload)
        details = [
            Detail("Error", _shortened(error, _LONGEST_DETAIL)),
            Detail("Payload", _shortened(payload, _LONGEST_PAYLOAD)),
        ]
    return tuple(detail for detail in details if detail.text)


def _json(value: Any) -> str:
    """The value as JSON; nothing for what was left out."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() if value not in (None, {}) else ""


def _shortened(text: str, longest: int) -> str:
    """The text without control characters, cut to the length that a mail shows."""
    text = "".join(char for char in text if char.isprintable() or char in "\n\t")
    return text if len(text) <= longest else f"{text[:longest]}\n… ({len(text)} characters in all)"


def _next_steps(run: Run, outcome: str, links: Links, background: Background) -> tuple[NextStep, ...]:
    match outcome:
        case "dead_lettered":
            return _after_dead_letter(run, links, background)
        case "failed":
            return (NextStep(f"Nothing. The next attempt is due at {_utc(run.wake_at)}."),)
        case _:
            return ()


def _after_dead_letter(run: Run, links: Links, background: Background) -> tuple[NextStep, ...]:
    command, path, fixed = "duebook dead-letter", f"/api/dead-letter/{run.id}", "what was fixed"
    redrive = NextStep(
        "Fix the cause, then redrive the run, which starts it again:",
        (
            f'{command} redrive {run.id} --reason "{fixed}"',
            links.request("POST", f"{path}/redrive", f'{{"reason": "{fixed}"}}'),
        ),
    )
    alike = NextStep(
        "Or redrive all that failed alike, ten a second:",
        (f'{command} redrive --fingerprint {run.fingerprint} --rate 10 --reason "{fixed}"',),
    )
    unneeded = "why it is not needed"
    discard = NextStep(
        "Or discard it:",
        (
            f'{command} discard {run.id} --reason "{unneeded}"',
            links.request("POST", f"{path}/discard", f'{{"reason": "{unneeded}"}}'),
        ),
    )
    return (redrive, alike, discard) if background.alike > 1 else (redrive, discard)


def _of_missed(missed: MissedOccurrences, links: Links) -> MailText:
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
    start, end = _rfc(skipped.first), _rfc(until)
    commands = (
        f"duebook job backfill {missed.job_id} --from {start} --to {end}",
        links.request("POST", f"/api/job/{missed.job_id}/backfill", f'{{"from": "{start}", "to": "{end}"}}'),
    )
    they_are, them = ("they are", "them") if several else ("it is", "it")
    step = NextStep(f"Nothing, unless {they_are} still needed. In that case, backfill {them}:", commands)
    job = links.job(missed.job_id)
    pages = (("Job", job),) if job else ()
    return MailText(f"{_name(missed)} {what_happened}", tuple(facts), pages, next_steps=(step,))


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
    return one_line_name(subject.job_name)


def one_line_name(name: str) -> str:
    """A job's name on one line: unprintable characters, such as control characters, become spaces."""
    name = " ".join("".join(char if char.isprintable() else " " for char in name).split())
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
