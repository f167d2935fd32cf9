"""What a run waits for, and what is ahead of it."""

from dataclasses import replace

from duebook_api.schemas.missing_executor import missing_executor
from duebook_api.why.facts import MOST_AHEAD, ConcurrencySlots, QueuePosition, RatePosition
from duebook_common.domain.definition import Concurrency, Overlap, Rate
from duebook_common.domain.queue.events import INSTALLATION
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.events import RunDeferred, RunHeld, RunResumed
from support.explanations import FAILED, OTHER, STARTED, explain_run, first_event, running, texts
from support.samples import HOUR, MINUTE, NOW, SECOND, a_dispatch, a_job

PAUSE = Pause("mail", 1, NOW, "the provider is down", "key:ops")
PAUSED_BY = "the queue “mail” is paused by API key “ops” since 2026-11-24T01:00:00Z: “the provider is down”"


def test_a_run_that_waits_for_others_of_its_job_names_them() -> None:
    job = a_job(recurrence="daily", overlap=Overlap.BUFFER_ALL)
    why = explain_run(first_event(job, running()), met=[running()], blockers=[running()], definition=job.definition)
    assert why.answer == f"It waits until run {OTHER} of the same job has ended."
    assert texts(why)[-1].startswith(
        f"Run {OTHER}, the occurrence of 2026-11-24T01:00:00Z, has been running its attempt 1"
    )
    assert (
        "buffer_all: occurrences wait for the active run to end, one after the other), so it had to wait"
        in texts(why)[1]
    )


def test_a_run_that_waits_for_a_slot_names_its_holders_and_the_runs_ahead() -> None:
    event = first_event(a_job(concurrency=Concurrency("tenant-7", 1)))
    why = explain_run(event, slots=ConcurrencySlots(taken=1, holders=[running()], ahead=2))
    assert why.answer == (
        "It waits for a slot of the concurrency key “tenant-7”: 1 of 1 slot is taken, and 2 runs are ahead of it."
    )
    assert why.causes[-1].run_id == OTHER
    assert "holds a slot; its status is running" in texts(why)[-1]
    free = explain_run(event, slots=ConcurrencySlots(taken=0, holders=[], ahead=0))
    assert free.answer == "It is ready, and waits for a scheduler to send it to its queue."


def test_a_run_in_the_line_of_a_rate_says_who_is_ahead_and_when_it_may_start() -> None:
    event = first_event(a_job(rate=Rate("stripe", 10, SECOND)))
    position = RatePosition(ahead=42, started=10, sent=2, expected_at=NOW + MINUTE)
    why = explain_run(event, rate_position=position, now=NOW)
    assert why.answer == (
        "It waits for the rate of the key “stripe”, which allows 10 starts in any second: 42 runs are ahead of it, "
        "and it may start at about 2026-11-24T01:01:00Z."
    )
    assert "it had to wait for the rate of the key “stripe”" in texts(why)[0]
    assert texts(why)[1:] == [
        "With the key “stripe” 10 attempts started within the last second, and 2 runs are sent and not started."
    ]


def test_of_a_long_line_no_more_runs_are_counted_than_an_answer_names() -> None:
    slots = ConcurrencySlots(taken=1, holders=[], ahead=MOST_AHEAD + 1)
    why = explain_run(first_event(a_job(concurrency=Concurrency("tenant-7", 1))), slots=slots)
    assert why.answer.endswith("1 of 1 slot is taken, and more than 10,000 runs are ahead of it.")
    position = RatePosition(ahead=MOST_AHEAD + 1, started=10, sent=2, expected_at=NOW + MINUTE)
    why = explain_run(first_event(a_job(rate=Rate("stripe", 10, SECOND))), rate_position=position, now=NOW)
    assert why.answer.endswith(
        "more than 10,000 runs are ahead of it, and it does not start before about 2026-11-24T01:01:00Z."
    )


def test_a_queued_run_says_how_many_are_ahead_and_what_is_known_of_executors() -> None:
    served = QueuePosition(ahead=7, running=3, last_start=NOW)
    why = explain_run(a_dispatch(), queue_position=served, now=NOW + MINUTE)
    assert why.answer == "It waits in the queue “default” for an executor: 7 runs are ahead of it."
    assert texts(why)[1:] == ["In the queue “default” 7 runs are ahead of it, and 3 runs of that queue are running."]
    nowhere = QueuePosition(ahead=0, running=0, last_start=None)
    lonely = explain_run(a_dispatch(), queue_position=nowhere, missing="no executor serves it")
    assert lonely.answer.endswith("no run is ahead of it, and no executor serves it.")
    assert texts(lonely)[1] == "No executor serves it."
    gone = explain_run(a_dispatch(), queue_position=replace(served, running=0), now=NOW + HOUR)
    assert texts(gone)[2:] == ["An executor last started a run of the queue “default” at 2026-11-24T01:00:00Z."]


def test_a_run_that_waits_for_its_task_says_what_is_missing() -> None:
    missing = missing_executor("gpu", "train", {})
    why = explain_run(first_event(a_job(task="train"), has_executor=False), missing=missing)
    assert why.answer.startswith("It waits for an executor: no executor serves the queue “gpu”")
    assert "no executor of the queue “default” had the task “train”, so it had to wait" in texts(why)[0]
    deferred = RunDeferred(executor="executor host-2/7", wake_at=NOW, at=NOW)
    bounced = explain_run(a_dispatch(), (deferred, "executor host-2/7"))
    assert texts(bounced)[1] == (
        "The executor host-2/7 received it without having the task “log”, so it had to wait for another one; "
        "this is not charged."
    )
    alone = explain_run(a_dispatch(), RunDeferred(executor=None, wake_at=NOW, at=NOW))
    assert "No executor of the queue “default” had the task “log”, so it had to wait for one" in texts(alone)[1]


def test_a_run_whose_retry_was_held_says_when_it_is_due() -> None:
    held = RunHeld(not_before=NOW + HOUR, at=NOW + MINUTE)
    first = first_event(a_job(concurrency=Concurrency("k", 1)))
    resumed = RunResumed(wake_at=NOW + HOUR, at=NOW + MINUTE)
    why = explain_run(first, STARTED, FAILED, held, resumed, now=NOW + 2 * MINUTE)
    assert why.answer == "It waits until 2026-11-24T02:00:00Z, when its next attempt is due."


def test_a_run_of_a_paused_queue_says_who_paused_it_and_why() -> None:
    first = first_event(a_job(queue="mail"))
    parked = RunDeferred(executor=None, reason="queue", wake_at=NOW + HOUR, at=NOW + SECOND)
    why = explain_run(first, parked, queue_pause=PAUSE)
    assert why.answer == f"It waits, because {PAUSED_BY}."
    assert "The queue “mail” was paused, so it had to wait for the resume; this is not charged." in texts(why)
    assert explain_run(first, queue_pause=PAUSE).answer == f"It does not start, because {PAUSED_BY}."
    retrying = explain_run(first, STARTED, FAILED, queue_pause=PAUSE)
    assert f"does not start before the resume, because {PAUSED_BY}" in retrying.answer


def test_a_freeze_is_named_as_one() -> None:
    frozen = Pause(INSTALLATION, 1, NOW, None, "anonymous")
    assert explain_run(first_event(a_job()), queue_pause=frozen).answer == (
        "It does not start, because the whole installation is frozen by a client without an API key since "
        "2026-11-24T01:00:00Z."
    )
