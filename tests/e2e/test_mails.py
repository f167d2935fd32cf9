"""Mails about succeeded, dead-lettered, skipped and missed runs, to the recipients that want them."""

from email.message import EmailMessage

from support.fleet import Platform, eventually
from support.histories import from_now, job_events, when
from support.load import launch
from support.smtp_server import Mailbox


def test_each_success_and_each_dead_letter_is_mailed(platform: Platform, smtp: Mailbox) -> None:
    platform.start_all(DUEBOOK_TASKS="user_tasks")
    silent = platform.create(name="silent")
    platform.await_run(silent["id"], "succeeded")
    done = platform.create(name="done", notify={"to": ["ops@example.com", "boss@example.com"]})
    by_payload = platform.create(name="by payload", payload={"to": "payee@example.com"})
    given_up = platform.create(name="given up", task="fail.for_good", notify={"to": ["ops@example.com"]})
    only_bad = platform.create(name="only bad", notify={"to": ["ops@example.com"], "on": ["dead_lettered"]})
    ended = [platform.await_run(job["id"], "succeeded") for job in (done, by_payload, only_bad)]
    dead = platform.await_run(given_up["id"], "dead_lettered")
    eventually(lambda: len(smtp.messages) == 4, explain=lambda: str([_summary(m) for m in smtp.messages]))
    assert sorted(map(_summary, smtp.messages)) == [
        ("boss@example.com", "[Duebook] done succeeded"),
        ("ops@example.com", "[Duebook] done succeeded"),
        ("ops@example.com", "[Duebook] given up was given up after 1 attempt"),
        ("payee@example.com", "[Duebook] by payload succeeded"),
    ]
    assert len({message["message-id"] for message in smtp.messages}) == 4
    assert {message["from"] for message in smtp.messages} == {"duebook@example.com"}
    dead_letter = next(message for message in smtp.messages if "given up" in message["subject"])
    assert "no use in trying" in _text(dead_letter)
    assert dead["id"] in _text(dead_letter)
    assert ended[0]["id"] in _text(next(m for m in smtp.messages if "done" in m["subject"]))


def test_jobs_without_recipients_use_the_default_recipients(platform: Platform, smtp: Mailbox) -> None:
    platform.start_all(DUEBOOK_NOTIFY_TO="all@example.com, also@example.com")
    job = platform.create(name="plain")
    platform.await_run(job["id"], "succeeded")
    eventually(lambda: {m["to"] for m in smtp.messages} == {"all@example.com", "also@example.com"})


def test_a_skipped_occurrence_is_mailed_if_the_job_wants_it(platform: Platform, smtp: Mailbox) -> None:
    platform.start_all(DUEBOOK_TASKS="user_tasks")
    notify = {"to": ["ops@example.com"], "on": ["skipped"]}
    job = platform.create(name="slow", task="nap", payload={"seconds": 60}, recurrence={"every": "PT2S"}, notify=notify)
    eventually(lambda: len(smtp.messages) > 0)
    platform.api.delete(f"/api/job/{job['id']}").raise_for_status()
    assert _summary(smtp.messages[0]) == ("ops@example.com", "[Duebook] slow was skipped (overlap)")


def test_all_missed_occurrences_of_a_downtime_are_one_mail(platform: Platform, smtp: Mailbox) -> None:
    launch(platform, api=1, executor=1, notifier=1)
    notify = {"to": ["ops@example.com"], "on": ["missed"]}
    first = from_now(minutes=-10)
    job = platform.create(
        name="away", recurrence={"every": "PT1M"}, scheduled_at=first, catch_up={"policy": "none"}, notify=notify
    )
    platform.start("scheduler")
    eventually(lambda: len(smtp.messages) > 0)
    (skipped,) = [e["data"] for e in job_events(platform, job["id"]) if e["type"] == "OccurrencesSkipped"]
    (mail,) = smtp.messages
    assert _summary(mail) == ("ops@example.com", f"[Duebook] away missed {skipped['count']} occurrences")
    assert f"{when(skipped['last']):%Y-%m-%d %H:%M:%S} UTC" in _text(mail)


def _summary(message: EmailMessage) -> tuple[str, str]:
    return str(message["to"]), str(message["subject"])


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
