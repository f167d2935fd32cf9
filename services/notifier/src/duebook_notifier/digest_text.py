"""The text of a digest: the outcomes whose mails to one recipient were beyond the limit, by cause and by job."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from duebook_common.domain.mail import Mail, parse_topic
from duebook_common.runtime.phrases import quantity
from duebook_notifier.links import NO_LINKS, Links
from duebook_notifier.mail_text import Line, Link, Look, MailText, Section
from duebook_notifier.phrases import isolated, minute, one_line

MOST_CAUSES, _MOST_JOBS = 10, 50
_LONGEST_ERROR = 200  # characters
_WHAT = {"dead_lettered": "given up", "failed": "failed and retried"}
_LIMITED = "There was no mail about each of them, because mails to this address are limited (DUEBOOK_MAIL_LIMIT)."


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Of the runs that a digest is about: the dead letters with one error, as they are when it is written."""

    fingerprint: str
    error: str
    dead_letters: int
    jobs: int
    since: datetime


def digest_text(
    mails: Sequence[Mail],
    names: Mapping[UUID, str],
    links: Links = NO_LINKS,
    groups: Sequence[ErrorGroup] = (),
) -> MailText:
    """What the mails would have said; `names` are those of the jobs, `groups` are the most frequent ones."""
    of_job = {job_id: Counter[str]() for job_id in dict.fromkeys(mail.job_id for mail in mails)}
    for mail in mails:
        of_job[mail.job_id][parse_topic(mail.outcome)[0]] += 1
    outcomes = sum(of_job.values(), Counter[str]())
    sections = (_by_cause(groups, links), _by_job(of_job, names, links))
    page = links.dead_letters() if groups else ""
    return MailText(
        Look.DIGEST,
        f"{quantity(len(mails), 'more outcome')} of {quantity(len(of_job), 'job')}",
        f": {_counts(outcomes)}.",
        sections=tuple(section for section in sections if section.lines),
        links=(Link("Dead letters", page, "Open the dead letters"),) if page else (),
        footer=_LIMITED,
    )


def _by_cause(groups: Sequence[ErrorGroup], links: Links) -> Section:
    return Section("Dead letters by cause", tuple(_cause(group, links) for group in groups))


def _cause(group: ErrorGroup, links: Links) -> Line:
    error = one_line(group.error.strip().partition("\n")[0], _LONGEST_ERROR) or "no message"
    note = f"{quantity(group.jobs, 'job')}, since {minute(group.since)}"
    link = links.group(group.fingerprint) or f"duebook dead-letter list --fingerprint {group.fingerprint}"
    return Line(group.dead_letters, isolated(error), note, link)


def _by_job(of_job: Mapping[UUID, Counter[str]], names: Mapping[UUID, str], links: Links) -> Section:
    most = sorted(of_job.items(), key=lambda item: -item[1].total())
    lines = [
        Line(
            outcomes.total(),
            isolated(one_line(names.get(job_id, str(job_id)))),
            _what(outcomes),
            links.job(job_id) or f"duebook job show {job_id}",
        )
        for job_id, outcomes in most[:_MOST_JOBS]
    ]
    if rest := most[_MOST_JOBS:]:
        outcomes = sum((each for _, each in rest), Counter[str]())
        lines.append(Line(outcomes.total(), quantity(len(rest), "other job"), _what(outcomes)))
    return Section("By job", tuple(lines), compact=True)


def _what(outcomes: Counter[str]) -> str:
    """The outcomes of a line that has their sum."""
    if len(outcomes) > 1:
        return _counts(outcomes)
    (what,) = outcomes
    return _WHAT.get(what, what)


def _counts(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count:,} {_WHAT.get(what, what)}" for what, count in outcomes.most_common())
