"""The form of a job can say whatever the API can be told of one: each field, and each member of its objects."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.job_fields import DEFAULTS, body_of, changes, given_of, values_of
from duebook_api.console.pages.json_text import plain
from duebook_api.http.problems import Problem
from duebook_api.http.requests import validated
from duebook_api.schemas import views
from duebook_api.schemas.bodies import JobBody
from duebook_common.domain.definition import Backoff, CatchUp, Concurrency, Dst, FollowUp, Notify, Rate

NOW = datetime(2026, 11, 1, tzinfo=UTC)
# A value that is not the default, with every member of an object.
OTHERS: dict[str, Any] = {
    "name": "nightly",
    "task": "email.send",
    "payload": {"n": 2**60},
    "scheduled_at": "2027-01-04T02:00:00.5Z",
    "recurrence": {"every": "PT2H"},
    "timezone": "Europe/Berlin",
    "dst": {"gap": "skip", "fold": "both"},
    "ends_at": "2027-12-31T23:59:59Z",
    "max_runs": 100,
    "jitter": "PT30S",
    "max_retries": 7,
    "backoff": {"initial": "PT10S", "factor": 1.5, "max": "PT20M", "jitter": 0.1},
    "timeout": "PT90S",
    "start_within": "PT10M",
    "pause_on_failure": True,
    "overlap": "allow_all",
    "catch_up": {"policy": "all", "window": "P7D"},
    "queue": "mail",
    "priority": 9,
    "concurrency": {"key": "tenant-7", "limit": 2},
    "rate": {"key": "stripe", "limit": 10, "per": "PT1M"},
    "notify": {"to": ["ops@example.com", "dev@example.com"], "on": ["missed", "dead_lettered"]},
    "then": [
        {"job": "key:billing.mail", "on": ["dead_lettered", "succeeded"], "payload": "result"},
        {"job": "key:billing.audit", "on": ["skipped"], "payload": None},
    ],
    "keep": "P365D",
    "key": "billing.nightly",
    "tags": ["a b", "c"],
    "metadata": {"owner": "finance", "n": 2**60},
}
NOT_IN_THE_FORM: dict[str, str] = {}  # a field, and why an operator does not need it there
MEMBERS = {
    "dst": Dst, "backoff": Backoff, "catch_up": CatchUp, "concurrency": Concurrency, "rate": Rate, "notify": Notify,
    "then": FollowUp,
}  # fmt: skip
FIELDS = [name for name in JobBody.model_fields if name not in NOT_IN_THE_FORM]


def answered(**body: Any) -> dict[str, Any]:
    """The definition of such a job, as the API answers it."""
    return views.definition(validated(JobBody, {"name": "a job", **body}).definition(NOW))


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_of_a_job_is_set_by_the_form(name: str) -> None:
    job = answered(**{name: OTHERS[name]})
    body = body_of(values_of(job))
    assert changes({name: body[name]}, job) == {}
    assert changes({name: body[name]}, answered(name="another"))


@pytest.mark.parametrize("name", MEMBERS)
def test_the_values_of_this_test_have_every_member(name: str) -> None:
    value = OTHERS[name][0] if name == "then" else OTHERS[name]
    assert value.keys() == {field.name for field in fields(MEMBERS[name])}


def test_a_form_that_was_not_touched_changes_nothing() -> None:
    for job in (answered(**OTHERS), answered()):
        assert changes(body_of(values_of(job)), job) == {}


def test_a_text_that_the_form_reads_otherwise_is_kept_where_it_was_not_touched() -> None:
    job = answered(name=" a ", tags=["a,b", " c"], concurrency={"key": " k ", "limit": 2}, key=None)
    form = values_of(job)
    assert changes(body_of(form), job) == {}
    assert changes(body_of(form | {"tags": "c"}), job) == {"tags": ["c"]}


def test_the_key_of_a_group_is_verbatim_also_where_another_member_is_changed() -> None:
    job = answered(concurrency={"key": " k ", "limit": 2}, rate={"key": "r ", "limit": 1, "per": "PT1M"})
    form = values_of(job) | {"concurrency_limit": " 3", "rate_limit": "5"}
    assert changes(body_of(form), job) == {
        "concurrency": {"key": " k ", "limit": 3},
        "rate": {"key": "r ", "limit": 5, "per": "PT1M"},
    }


@given(st.sets(st.sampled_from(FIELDS)))
def test_a_new_job_is_sent_without_what_is_the_default_anyway(names: set[str]) -> None:
    wanted = answered(**{name: OTHERS[name] for name in names})
    sent = given_of(body_of(values_of(wanted)))
    assert changes(plain(answered(**sent)), wanted) == {}
    always = {"name", "scheduled_at", "queue", "timeout", "max_retries", "backoff"}  # a task may choose the last four
    assert sent.keys() <= names | always


def test_the_fields_of_an_empty_group_are_left_to_the_defaults() -> None:
    emptied = dict.fromkeys([*values_of(answered()), "then_0_job"], "")
    body = body_of(emptied | {"name": "n", "kind": "none"})
    assert (body["backoff"], body["catch_up"], body["dst"], body["then"]) == (None, None, None, [])
    assert given_of(body) == {"name": "n", "notify": {"to": [], "on": []}}


def test_a_group_that_the_form_does_not_have_is_not_changed() -> None:
    assert body_of({"name": "n", "kind": "daily"}) == {"name": "n", "recurrence": "daily"}


def test_a_follow_up_without_a_job_is_left_out() -> None:
    form = {"then_0_job": " ", "then_1_job": "key:a", "then_1_on_skipped": "1", "then_1_payload": "", "then_2_job": ""}
    assert body_of(form)["then"] == [{"job": "key:a", "on": ["skipped"], "payload": None}]


@pytest.mark.parametrize(
    ("name", "text", "pointer"),
    [
        ("backoff_factor", "twice", "/backoff/factor"),
        ("max_runs", "many", "/max_runs"),
        ("metadata", "{", "/metadata"),
        ("metadata", "[1]", "/metadata"),
    ],
)
def test_what_no_body_could_say_names_the_field_and_the_remedy(name: str, text: str, pointer: str) -> None:
    with pytest.raises(Problem) as caught:
        body_of(values_of(answered()) | {name: text})
    [fault] = caught.value.faults
    assert fault.pointer == pointer
    assert "like" in fault.message


def test_the_defaults_are_those_of_the_api() -> None:
    assert DEFAULTS["catch_up_policy"] == "latest"
    assert DEFAULTS["notify_on_succeeded"]
