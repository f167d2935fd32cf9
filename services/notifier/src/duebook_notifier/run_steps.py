"""What the reader of a mail about a run can do: in a sentence, and as commands and requests."""

import re

from duebook_common.domain.run.losses import EXECUTOR_ENDED, LOST
from duebook_common.domain.run.state import Run
from duebook_common.runtime.phrases import quantity
from duebook_notifier.background import Background, error_group
from duebook_notifier.links import Links
from duebook_notifier.mail_text import NextStep
from duebook_notifier.phrases import local_time

_TIMED_OUT = re.compile(r"timed out after [\d.e+]+ s")
_FIXED, _UNNEEDED = "what was fixed", "why it is not needed"


def remedy(run: Run, outcome: str, background: Background) -> str:
    match outcome:
        case "dead_lettered":
            paused = " A dead letter pauses this job, so resume it too." if run.pause_on_failure else ""
            return f"{_cause_to_fix(run)}, then redrive the run: until then it stays a dead letter.{paused}"
        case "failed" if run.wake_at:
            left = quantity(run.max_attempts - run.failures, "attempt")
            are, next_at = "is" if left.startswith("1 ") else "are", local_time(run.wake_at, background.zone)
            return f"Nothing is to be done: {left} {are} left, and the next is due at {next_at}."
        case "skipped" | "cancelled":
            return "Nothing is to be done, unless the run is still needed."
        case _:
            return ""


def _cause_to_fix(run: Run) -> str:
    if run.error in {EXECUTOR_ENDED, LOST}:
        return "Find out what stopped that executor, such as a crash or too little memory"
    if _TIMED_OUT.match(run.error or ""):
        return "Make the task faster, or give the job a longer timeout"
    return "Fix the cause"


def next_steps(run: Run, outcome: str, links: Links, background: Background) -> tuple[NextStep, ...]:
    steps = () if links.run(run.id) else _to_look(run, outcome, background)
    match outcome:
        case "dead_lettered":
            return *steps, *_after_dead_letter(run, links, background)
        case "skipped" | "cancelled":
            return *steps, _again(run, links)
        case _:
            return steps


def _to_look(run: Run, outcome: str, background: Background) -> tuple[NextStep, ...]:
    """Instead of buttons, where the console has no known address."""
    commands = [f"duebook run why {run.id}"]
    if outcome == "dead_lettered" and background.alike.dead_letters > 1:
        commands.append(f"duebook dead-letter list --fingerprint {error_group(run, outcome)}")
    return (NextStep("See what happened:", tuple(commands)),)


def _after_dead_letter(run: Run, links: Links, background: Background) -> tuple[NextStep, ...]:
    command, path = "duebook dead-letter", f"/api/dead-letter/{run.id}"
    redrive = NextStep(
        "Redrive the run, which starts it again:",
        (f'{command} redrive {run.id} --reason "{_FIXED}"',),
        (links.request("POST", f"{path}/redrive", f'{{"reason": "{_FIXED}"}}'),),
    )
    alike = NextStep(
        "Or redrive all that failed alike, ten a second:",
        (f'{command} redrive --fingerprint {run.fingerprint} --rate 10 --reason "{_FIXED}"',),
    )
    discard = NextStep(
        "Or discard it:",
        (f'{command} discard {run.id} --reason "{_UNNEEDED}"',),
        (links.request("POST", f"{path}/discard", f'{{"reason": "{_UNNEEDED}"}}'),),
    )
    resume = NextStep("Resume the job, if it is paused:", (f"duebook job resume {run.job_id}",))
    steps = (redrive, alike, discard) if background.alike.dead_letters > 1 else (redrive, discard)
    return (*steps, resume) if run.pause_on_failure else steps


def _again(run: Run, links: Links) -> NextStep:
    request = links.request("POST", f"/api/run/{run.id}/rerun", "{}")
    again = "If it is still needed, run it again with the same payload:"
    return NextStep(again, (f"duebook run rerun {run.id}",), (request,))
