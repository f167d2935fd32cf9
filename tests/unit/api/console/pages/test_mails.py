from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.mails import STATUSES, mail_rows, resend_form, sentence
from duebook_api.console.pages.status import LOOKS

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)


def mail(status: str = "sent", **fields: Any) -> dict[str, Any]:
    names: dict[str, Any] = {"id": "1", "run_id": UUID(int=1), "job_id": UUID(int=2), "job_name": "nightly"}
    about = {"outcome": "dead_lettered", "recipient": "ops@example.com", "tries": 1, "error": None}
    return names | about | {"status": status, "next_try_at": None, "message_id": "", "updated_at": NOW} | fields


def test_the_sentence_names_what_needs_an_operator() -> None:
    mails = [mail(), mail("given_up"), mail("retrying"), mail("retrying")]
    assert sentence(mails) == "4 mails on this page; 1 was given up; 2 wait for another try."
    assert sentence([mail()]) == "1 mail on this page."


def test_each_status_has_a_look_and_says_what_stands_in_the_way() -> None:
    statuses = [status for status, _ in STATUSES if status]
    assert set(statuses) <= LOOKS.keys()
    remarks = {row.status: row.remark for row in mail_rows([mail(status, tries=8) for status in statuses])}
    assert remarks["given_up"] == "after 8 tries"
    assert remarks["sent"] == ""


def test_a_mail_that_a_digest_will_list_is_not_sent_by_itself() -> None:
    assert [row.can_be_sent for row in mail_rows([mail(), mail("given_up"), mail("held")])] == [True, True, False]


@given(st.text(), st.text(), st.text() | st.none())
def test_any_mail_is_shown_and_has_a_form(recipient: str, outcome: str, name: str | None) -> None:
    shown = mail(recipient=recipient, outcome=outcome, job_name=name)
    assert mail_rows([shown])[0].recipient == recipient
    assert recipient in resend_form(shown, "http://h/x", needs_key=True).notes[0]
