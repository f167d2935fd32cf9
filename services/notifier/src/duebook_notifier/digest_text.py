"""The text of a digest: the outcomes whose mails to one recipient were beyond the limit, counted by job."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from duebook_common.domain.mail import Mail, parse_topic
from duebook_notifier.links import Links
from duebook_notifier.mail_text import Line, MailText, NextStep, one_line_name

_MOST_JOBS = 50
_WHAT = {"dead_lettered": "given up", "failed": "failed and retried"}


def digest_text(mails: Sequence[Mail], names: Mapping[UUID, str], links: Links) -> MailText:
    """What the mails would have told; `names` are those of the jobs."""
    of_job = Counter(mail.job_id for mail in mails)
    outcomes = {job_id: Counter[str]() for job_id in of_job}
    for mail in mails:
        outcomes[mail.job_id][parse_topic(mail.outcome)[0]] += 1
    shown = [job_id for job_id, _ in of_job.most_common(_MOST_JOBS)]
    lines = [_line(job_id, names.get(job_id, str(job_id)), outcomes[job_id], links) for job_id in shown]
    if left := len(of_job) - len(shown):
        rest = sum(of_job.values()) - sum(of_job[job_id] for job_id in shown)
        lines.append(Line(f"{_count(left, 'other job')}: {_count(rest, 'outcome')}"))
    headline = f"{_count(len(mails), 'more outcome')} of {_count(len(of_job), 'job')}"
    why = "There was no mail about each of them, because mails to this address are limited (DUEBOOK_MAIL_LIMIT)."
    return MailText(headline, lines=tuple(lines), next_steps=(NextStep(why),))


def _line(job_id: UUID, name: str, outcomes: Counter[str], links: Links) -> Line:
    counts = ", ".join(f"{count} {_WHAT.get(what, what)}" for what, count in outcomes.most_common())
    return Line(f"{one_line_name(name)}: {counts}", links.job(job_id) or f"duebook job show {job_id}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
