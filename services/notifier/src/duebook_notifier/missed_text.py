"""The mail about occurrences that were missed together."""

from datetime import timedelta

from duebook_common.runtime.phrases import exact_duration, quantity
from duebook_notifier.background import Background
from duebook_notifier.links import Links
from duebook_notifier.mail_text import FOOTER, Link, Look, MailText, NextStep
from duebook_notifier.phrases import isolated, local_time, one_line, request_time
from duebook_notifier.subject import MissedOccurrences

_SECOND = timedelta(seconds=1)


def missed_text(missed: MissedOccurrences, links: Links, background: Background) -> MailText:
    count, job = missed.skipped.count, links.job(missed.job_id)
    what = f"missed {quantity(count, 'occurrence')}" if count > 1 else "missed an occurrence"
    return MailText(
        Look.MISSED,
        f"{isolated(one_line(missed.job_name))} {what}",
        f": {_because(missed)}.",
        f"Nothing is to be done, unless {'they are' if count > 1 else 'it is'} still needed.",
        facts=_facts(missed, background.zone),
        links=(Link("Job", job, "Open the job"),) if job else (),
        next_steps=_next_steps(missed, links),
        footer=FOOTER,
    )


def _facts(missed: MissedOccurrences, zone: str) -> tuple[tuple[str, str], ...]:
    skipped = missed.skipped
    first, last = local_time(skipped.first, zone), local_time(skipped.last, zone)
    return (
        ("Job", one_line(missed.job_name)),
        ("Job id", str(missed.job_id)),
        ("Task", one_line(missed.task)),
        ("Queue", one_line(missed.queue)),
        *((("First", first), ("Last", last)) if skipped.count > 1 else (("Nominal time", last),)),
        ("Count", f"{skipped.count:,}"),
    )


def _because(missed: MissedOccurrences) -> str:
    several, policy = missed.skipped.count > 1, missed.definition.catch_up
    late = f"no scheduler dispatched {'them' if several else 'it'} in time"
    if missed.reason == "window":
        they_were, window = "they were" if several else "it was", exact_duration(policy.window)
        return f"{late}, and when one ran again, {they_were} older than the job's catch-up window of {window}"
    runs = "no missed occurrence" if policy.policy == "none" else "only the newest missed occurrence"
    return f"{late}, and the job's catch-up policy runs {runs}"


def _next_steps(missed: MissedOccurrences, links: Links) -> tuple[NextStep, ...]:
    start = request_time(missed.skipped.first)
    end = request_time(missed.skipped.last.replace(microsecond=0) + _SECOND)
    command = f"duebook job backfill {missed.job_id} --from {start} --to {end}"
    request = links.request("POST", f"/api/job/{missed.job_id}/backfill", f'{{"from": "{start}", "to": "{end}"}}')
    them, they_are = ("them", "they are") if missed.skipped.count > 1 else ("it", "it is")
    backfill = NextStep(f"If {they_are} still needed, backfill {them}:", (command,), (request,))
    look = NextStep("See the job:", (f"duebook job show {missed.job_id}",))
    return (backfill,) if links.job(missed.job_id) else (look, backfill)
