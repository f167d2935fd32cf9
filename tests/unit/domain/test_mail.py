"""Mails about runs: their topics and ids, their state, and which results of tries are recorded."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from duebook_common.domain.mail import (
    Mail,
    MailDigested,
    MailEvent,
    MailFailed,
    MailHeld,
    MailSent,
    MailStatus,
    decide,
    digest_id,
    evolve,
    mail_topic,
    message_id,
    parse_topic,
)

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
RUN, JOB = UUID(int=1), UUID(int=2)
SENT = MailSent(outcome="succeeded-3", recipient="a@example.com", message_id="<1@duebook>", at=NOW)
FAILED = MailFailed(
    outcome="succeeded-3",
    recipient="a@example.com",
    message_id="<1@duebook>",
    error="451",
    tries=1,
    retry_at=NOW,
    at=NOW,
)


def after(*events: MailEvent) -> Mail:
    mail = None
    for version, event in enumerate(events, 1):
        mail = evolve(mail, RUN, JOB, version, event)
    assert mail is not None
    return mail


def test_a_topic_has_the_outcome_and_the_version_of_its_event() -> None:
    assert parse_topic(mail_topic("dead_lettered", 7)) == ("dead_lettered", 7)
    assert mail_topic("dead_lettered", 7) != mail_topic("dead_lettered", 12)


def test_each_mail_has_an_id_of_its_own() -> None:
    ids = {message_id(run, topic, to) for run in (RUN, JOB) for topic in ("a-1", "a-2") for to in ("x@y", "z@y")}
    assert len(ids) == 8
    assert message_id(RUN, "a-1", "x@y") == message_id(RUN, "a-1", "x@y")
    assert message_id(RUN, "a-1", "x@y>\r\nBcc: z@y").count("\n") == 0


def test_a_failed_mail_is_retried_until_it_is_sent_or_given_up() -> None:
    assert (after(FAILED).status, after(FAILED).wake_at) == (MailStatus.RETRYING, NOW)
    sent = after(FAILED, SENT)
    assert (sent.status, sent.wake_at, sent.error, sent.tries, sent.version) == (MailStatus.SENT, None, None, 2, 2)
    hopeless = after(FAILED, replace(FAILED, tries=2, retry_at=None))
    assert (hopeless.status, hopeless.wake_at, hopeless.tries) == (MailStatus.GIVEN_UP, None, 2)


def test_a_result_that_is_recorded_already_is_not_recorded_again() -> None:
    assert decide(after(SENT), SENT) == []
    assert decide(after(SENT), FAILED) == []
    assert decide(after(FAILED), FAILED) == []


def test_a_new_result_is_recorded() -> None:
    given_up = after(replace(FAILED, retry_at=None))
    assert decide(None, FAILED) == [FAILED]
    assert decide(after(FAILED), SENT) == [SENT]
    assert decide(after(FAILED), replace(FAILED, tries=2)) == [replace(FAILED, tries=2)]
    assert decide(given_up, SENT) == [SENT]
    assert decide(given_up, replace(FAILED, tries=2)) == [replace(FAILED, tries=2)]


HELD = MailHeld(outcome="succeeded-3", recipient="a@example.com", message_id="<1@duebook>", until=NOW, at=NOW)
DIGESTED = MailDigested(outcome="succeeded-3", recipient="a@example.com", message_id="<d@duebook>", at=NOW)


def test_a_held_mail_waits_for_its_digest() -> None:
    held = after(HELD)
    assert (held.status, held.wake_at, held.tries) == (MailStatus.HELD, NOW, 0)
    in_digest = after(HELD, DIGESTED)
    assert (in_digest.status, in_digest.wake_at, in_digest.message_id) == (MailStatus.IN_DIGEST, None, "<d@duebook>")
    assert decide(in_digest, DIGESTED) == decide(in_digest, SENT) == decide(in_digest, HELD) == []


def test_a_mail_is_held_once_and_again_after_each_digest_that_failed() -> None:
    assert decide(None, HELD) == [HELD]
    assert decide(after(HELD), HELD) == decide(after(FAILED), HELD) == decide(after(SENT), HELD) == []
    again = replace(HELD, tries=1, error="451")
    assert decide(after(HELD), again) == [again]
    assert after(HELD, again).error == "451"
    given_up = replace(FAILED, tries=2, retry_at=None)
    assert after(HELD, again, given_up).status is MailStatus.GIVEN_UP


def test_a_digest_has_one_id_for_all_its_tries() -> None:
    assert digest_id("a@x", NOW, ["<1>", "<2>"]) == digest_id("a@x", NOW, ["<2>", "<1>"])
    assert len({digest_id(to, NOW, ids) for to in ("a@x", "b@x") for ids in (["<1>"], ["<2>"], ["<1>", "<2>"])}) == 6
