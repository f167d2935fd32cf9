from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.keys import act_rows, body_of, create_form, revoke_form, sentence
from duebook_common.runtime.scopes import EVERYTHING, Scope

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)


def key(status: str = "active", used: datetime | None = NOW) -> dict[str, Any]:
    return {"status": status, "last_used_at": used}


def test_the_sentence_counts_active_keys_and_those_that_were_never_used() -> None:
    assert sentence([key(), key(used=None), key("revoked")], is_all=True) == "2 active keys; 1 of them was never used."
    assert sentence([key("expired")], is_all=False) == "1 key on this page."


def test_the_form_offers_the_scopes_that_the_reader_has() -> None:
    form = create_form("u", {Scope.KEYS, Scope.JOBS_READ}, {}, "", needs_key=True)
    assert {field.label for field in form.fields if field.kind == "check"} == {Scope.KEYS, Scope.JOBS_READ}
    everything = create_form("u", EVERYTHING, {}, "", needs_key=True)
    assert {field.label for field in everything.fields if field.kind == "check"} == set(Scope)


def test_the_form_explains_each_scope() -> None:
    form = create_form("u", EVERYTHING, {}, "", needs_key=True)
    hints = {field.label: field.hint for field in form.fields if field.kind == "check"}
    assert hints[Scope.QUEUES_READ] == "Read queues and who paused them."
    assert all(hints.values())


def test_a_refused_form_keeps_what_was_sent() -> None:
    form = create_form("u", EVERYTHING, {"name": "ci", "scope-read": "true"}, "no", needs_key=True)
    assert {field.name: field.value for field in form.fields if field.value} == {
        "name": "ci",
        "expires_in": "P90D",
        "scope-read": "true",
    }
    assert form.fault == "no"


def test_the_request_has_the_scopes_that_are_checked() -> None:
    body = body_of({"name": "ci", "scope-read": "true", "scope-runs:write": "true", "expires_in": ""})
    assert body == {"name": "ci", "scopes": ["read", "runs:write"], "expires_in": None}


def test_revoking_the_own_key_must_be_meant() -> None:
    assert [field.name for field in revoke_form("1", "u", is_own=True, needs_key=True).fields] == ["reason", "own"]
    assert [field.name for field in revoke_form("1", "u", is_own=False, needs_key=True).fields] == ["reason"]


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text() | st.integers(-(2**63), 2**64 - 1)) | st.none())
def test_any_act_is_shown(stream: str, reason: str, data: Any) -> None:
    act = {"position": "1", "at": NOW, "actor": "key:a", "key_name": None, "type": "KeyMade", "stream": stream}
    [row] = act_rows([act | {"reason": reason, "data": data}])
    assert (row.words, row.reason, row.name) == ("Key made", reason, "")
