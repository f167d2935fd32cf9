"""How a run began: these first events yield these sentences."""

from dataclasses import replace
from typing import Any

from duebook_common.domain.definition import CatchUp, Overlap
from duebook_common.domain.job.commands import TriggerRun
from duebook_common.domain.job.new_runs import trigger_run
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.state import Run
from duebook_common.runtime.phrases import duration
from support.explanations import FAILED, OTHER, STARTED, explain_run, first_event, running, texts
from support.samples import DAY, HOUR, NOW, RUN_ID, a_job, a_run, context

PAUSE = Pause("mail", 1, NOW, "the provider is down", "key:ops")


def caught_up(**fields: Any) -> Run:
    return replace(running(), trigger=Trigger.CATCH_UP, **fields)


def test_jitter_is_mentioned_as_the_cause_of_a_delay() -> None:
    job = a_job(jitter=HOUR, recurrence="daily")
    due = job.next_due_at
    assert due is not None
    event = first_event(job, now=due)
    later = duration(event.due_at - event.nominal_at)
    assert f"at 2026-11-24T01:00:00Z (due {later} later because of jitter); it was sent" in texts(explain_run(event))[0]


def test_a_skipped_run_names_the_run_that_it_overlapped_with() -> None:
    why = explain_run(first_event(a_job(recurrence="daily"), running()), met=[running()])
    assert why.answer == (
        f"It did not run, because run {OTHER} of the same job was still active when it was due (overlap policy skip: "
        "an occurrence that is due during an active run is skipped)."
    )
    assert texts(why)[0] == (
        f"Run {OTHER}, the occurrence of 2026-11-24T01:00:00Z, had been running its attempt 1 since "
        "2026-11-24T01:00:01Z on the executor host/1."
    )
    assert (why.causes[0].run_id, why.causes[0].event) == (OTHER, None)
    retrying = replace(a_run(STARTED, FAILED), id=OTHER)
    assert (
        "had failed an attempt with “connection refused” and had another one to come, due at"
        in texts(explain_run(first_event(a_job(recurrence="daily"), retrying), met=[retrying]))[0]
    )


def test_a_caught_up_occurrence_says_how_late_it_was_and_by_which_policy() -> None:
    late = first_event(a_job(recurrence="daily"), now=NOW + 2 * DAY + HOUR)
    assert (
        "The schedule has an occurrence at 2026-11-26T01:00:00Z, but no scheduler dispatched it until 1 hour later. "
        "Only up to 1 minute counts as on time, so it was missed, and the catch-up policy runs the newest "
        "missed occurrence; "
    ) in texts(explain_run(late))[0]
    job = a_job(recurrence="daily", catch_up=CatchUp("all"))
    every = first_event(job, now=NOW + 2 * DAY + HOUR)
    assert (
        "the catch-up policy runs every missed occurrence; " in texts(explain_run(every, definition=job.definition))[0]
    )


def test_a_manual_run_says_who_triggered_it() -> None:
    (fact,) = trigger_run(a_job(), [], TriggerRun(RUN_ID, Overlap.ALLOW_ALL, context(dispatch=0)))
    why = explain_run((fact.event, "anonymous"))
    assert why.answer == "It is due, and waits for a scheduler to send it to its queue."
    assert texts(why) == [
        (
            "A client without an API key triggered it at 2026-11-24T01:00:00Z; it was recorded at "
            "2026-11-24T01:00:00Z, for a scheduler to send."
        )
    ]


def test_a_run_that_waits_for_a_caught_up_run_says_so_instead_of_its_policy() -> None:
    job = a_job(recurrence="daily")
    why = explain_run(first_event(job, caught_up()), met=[caught_up()], blockers=[caught_up()])
    assert "missed occurrences of the job were being caught up, which leaves no other occurrence out" in texts(why)[1]
    assert not any("skip" in text for text in texts(why))


def test_a_caught_up_run_that_waits_in_order_says_so_instead_of_its_policy() -> None:
    job = a_job(recurrence="daily", scheduled_at=NOW - HOUR, catch_up=CatchUp("all"))
    why = explain_run(first_event(job, running()), met=[running()], blockers=[running()], definition=job.definition)
    assert "another run of the job was active, and missed occurrences run one after the other" in texts(why)[1]


def test_a_run_that_a_pause_kept_back_names_the_pause() -> None:
    ended = replace(PAUSE, until=NOW + HOUR)
    job = a_job(queue="mail", recurrence="daily")
    event = first_event(job, now=NOW + HOUR, pauses=[ended])
    (says,) = texts(explain_run(event, kept_by=ended))[:1]
    assert "1 hour late, because the queue “mail” was paused by API key “ops” from 2026-11-24T01:00:00Z to" in says
    behind = first_event(job, running(), now=NOW + HOUR, pauses=[ended])
    assert "what a pause of the queue kept back runs one after the other" in texts(explain_run(behind))[0]
