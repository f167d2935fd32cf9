"""The mail about a run: what happened to it and why, as its events have it."""

from typing import Any

import orjson

from duebook_common.domain.run.state import Run
from duebook_common.runtime.phrases import quantity
from duebook_notifier.background import FAILURES, MOST_ALIKE, Alike, Background, error_group
from duebook_notifier.links import Links
from duebook_notifier.mail_text import FOOTER, Detail, Link, Look, MailText
from duebook_notifier.phrases import local_time, minute, one_line, shortened
from duebook_notifier.run_steps import next_steps, remedy
from duebook_notifier.run_words import headline, why

_LONGEST_REASON, _LONGEST_DETAIL, _LONGEST_PAYLOAD = 100, 2_048, 500  # characters
_LOOKS = {
    "dead_lettered": Look.DEAD,
    "failed": Look.RETRYING,
    "succeeded": Look.SUCCEEDED,
    "skipped": Look.SKIPPED,
}


def run_text(run: Run, outcome: str, links: Links, background: Background) -> MailText:
    return MailText(
        _LOOKS.get(outcome, Look.CANCELLED),
        headline(run, outcome),
        why(run, outcome),
        remedy(run, outcome, background),
        _alike(outcome, background),
        _facts(run, background.zone),
        _links(run, outcome, links, background.alike),
        details=_details(run, outcome, background),
        next_steps=next_steps(run, outcome, links, background),
        footer=FOOTER,
    )


def _facts(run: Run, zone: str) -> tuple[tuple[str, str], ...]:
    facts = (
        ("Job", one_line(run.job_name)),
        ("Job id", str(run.job_id)),
        ("Run id", str(run.id)),
        ("Task", one_line(run.task)),
        ("Queue", one_line(run.queue)),
        ("Nominal time", local_time(run.nominal_at, zone)),
        ("Started", local_time(run.started_at, zone) if run.started_at else ""),
        ("Finished", local_time(run.finished_at, zone) if run.finished_at else ""),
        ("Attempts", _attempts(run) if run.attempt else ""),
        ("Executor", one_line((run.executor or "").removeprefix("executor "))),
        ("Reason", one_line(run.reason or "", _LONGEST_REASON)),
    )
    return tuple((label, value) for label, value in facts if value)


def _attempts(run: Run) -> str:
    """The failures count from the last redrive, and leave out attempts that a stopping executor released."""
    failed = f"{run.failures:,} of {run.max_attempts:,}"
    if not run.failures:
        return f"{run.attempt:,}"
    return failed if run.attempt == run.failures else f"{run.attempt:,}, of which {failed} failed"


def _alike(outcome: str, background: Background) -> str:
    """How many dead letters there are with this error, and since when."""
    alike, itself = background.alike, outcome == "dead_lettered"
    if outcome not in FAILURES or _others(outcome, alike) < 1:
        return ""
    if alike.capped:
        return f"{MOST_ALIKE:,} or more dead letters failed alike."
    jobs = f" of {quantity(alike.jobs, 'job')}" if alike.jobs > 1 else ""
    since = f" since {minute(alike.since, background.zone)}" if alike.since else ""
    included = ", this one included" if itself else ""
    return f"{quantity(alike.dead_letters, 'dead letter')}{jobs} failed alike{since}{included}."


def _links(run: Run, outcome: str, links: Links, alike: Alike) -> tuple[Link, ...]:
    """Where the reader finds more, the most useful page first: of a dead letter among many it is their group."""
    pages = [
        Link("Run", links.run(run.id), "Open the run"),
        Link("Job", links.job(run.job_id), "Open the job"),
    ]
    if outcome in FAILURES and _others(outcome, alike):
        group = Link("Failed alike", links.group(error_group(run, outcome)), _open_group(alike))
        pages.insert(0 if outcome == "dead_lettered" else len(pages), group)
    return tuple(page for page in pages if page.url)


def _open_group(alike: Alike) -> str:
    if alike.dead_letters == 1:
        return "Open the one that failed alike"
    return f"Open all{'' if alike.capped else f' {alike.dead_letters:,}'} that failed alike"


def _others(outcome: str, alike: Alike) -> int:
    """The dead letters with the error besides the run itself."""
    return alike.dead_letters - (outcome == "dead_lettered")


def _details(run: Run, outcome: str, background: Background) -> tuple[Detail, ...]:
    """The error and the payload, or the result."""
    if outcome not in FAILURES:
        details = [Detail("Result", shortened(_json(run.result), _LONGEST_DETAIL))]
    else:
        details = [
            Detail("Error", shortened(run.error or "", _LONGEST_DETAIL)),
            Detail("Payload", shortened(_json(background.payload), _LONGEST_PAYLOAD)),
        ]
    return tuple(detail for detail in details if detail.text)


def _json(value: Any) -> str:
    """The value as JSON; nothing for what was left out."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() if value not in (None, {}) else ""
