"""A mail when a job was executed, and one when it is given up; none to nobody."""

from email.message import EmailMessage

from support.fleet import Platform, eventually
from support.histories import from_now, job_events, when
from support.load import launch
from support.smtp_server import Mailbox


def test_a_mail_tells_of_each_execution_and_of_each_dead_letter(platform: Platform, smtp: Mailbox) -> None:
    platform.start_all(DUEBOOK_TASKS="user_tasks")
    nobody = platform.create(name="silent")
    platform.await_run(nobody["id"], "succeeded")
    done = platform.create(name="done", notify={"to": ["ops@example.com", "boss@example.com"]})
    by_payload = platform.create(name="by payload", payload={"to": "payee@example.com"})
    given_up = platform.create(name="given up", task="fail.for_good", notify={"to": ["ops@example.com"]})
    only_bad = platform.create(name="only bad", notify={"to": ["ops@example.com"], "on": ["dead_lettered"]})
    ended = [platform.await_run(job["id"], "succeeded") for job in (done, by_payload, only_bad)]
    dead = platform.await_run(given_up["id"], "dead_lettered")
    eventually(lambda: len(smtp.messages) == 4, excuse=lambda: str([_summary(m) for m in smtp.messages]))
    assert sorted(map(_summary, smtp.messages)) == [
        ("boss@example.com", "[Duebook] done succeeded"),
        ("ops@example.com", "[Duebook] done succeeded"),
        ("ops@example.com", "[Duebook] given up was given up after 1 attempt"),
        ("payee@example.com", "[Duebook] by payload succeeded"),
    ]
    assert len({message["message-id"] for message in smtp.messages}) == 4
    assert {message["from"] for message in smtp.messages} == {"duebook@example.com"}
    last = next(message for message in smtp.messages if "given up" in message["subject"])
    assert "no use in trying" in _text(last)
    assert dead["id"] in _text(last)
    assert ended[0]["id"] in _text(next(m for m in smtp.messages if "done" in m["subject"]))


def test_those_who_are_named_for_the_whole_system_are_told_where_a_job_names_none(
    platform: Platform, smtp: Mailbox
) -> None:
    platform.start_all(DUEBOOK_NOTIFY_TO="all@example.com, also@example.com")
    job = platform.create(name="plain")
    platform.await_run(job["id"], "succeeded")
    eventually(lambda: {m["to"] for m in smtp.messages} == {"all@example.com", "also@example.com"})


def test_a_mail_tells_of_an_occurrence_that_was_left_out(platform: Platform, smtp: Mailbox) -> None:
    platform.start_all(DUEBOOK_TASKS="user_tasks")
    on = {"to": ["ops@example.com"], "on": ["skipped"]}
    job = platform.create(name="slow", task="nap", payload={"seconds": 60}, recurrence={"every": "PT2S"}, notify=on)
    eventually(lambda: len(smtp.messages) > 0)
    platform.api.delete(f"/api/job/{job['id']}").raise_for_status()
    assert _summary(smtp.messages[0]) == ("ops@example.com", "[Duebook] slow was skipped (overlap)")


def test_one_mail_tells_of_all_occurrences_that_were_missed_while_no_scheduler_ran(
    platform: Platform, smtp: Mailbox
) -> None:
    launch(platform, api=1, executor=1, notifier=1)
    on = {"to": ["ops@example.com"], "on": ["missed"]}
    begin = from_now(minutes=-10)
    job = platform.create(
        name="away", recurrence={"every": "PT1M"}, scheduled_at=begin, catch_up={"policy": "none"}, notify=on
    )
    platform.start("scheduler")
    eventually(lambda: len(smtp.messages) > 0)
    (skipped,) = [e["data"] for e in job_events(platform, job["id"]) if e["type"] == "OccurrencesSkipped"]
    (told,) = smtp.messages
    assert _summary(told) == ("ops@example.com", f"[Duebook] away missed {skipped['count']} occurrences")
    assert f"{when(skipped['last']):%Y-%m-%d %H:%M:%S} UTC" in _text(told)


def _summary(message: EmailMessage) -> tuple[str, str]:
    return str(message["to"]), str(message["subject"])


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
