from datetime import UTC, datetime
from typing import Any

import pytest

from duebook_api.console.pages.job_form import JobForm, body_of, changes, faults_of, values_of
from duebook_api.http.problems import Fault, Problem, invalid

JOB: dict[str, Any] = {
    "name": "nightly",
    "task": "log",
    "queue": "default",
    "timezone": "UTC",
    "overlap": "skip",
    "timeout": "PT5M",
    "recurrence": {"cron": "0 2 * * *"},
    "scheduled_at": datetime(2026, 11, 1, tzinfo=UTC),
    "max_retries": 3,
    "priority": 4,
    "key": None,
    "start_within": None,
    "keep": "P365D",
    "concurrency": None,
    "rate": {"key": "stripe", "limit": 10, "per": "PT1S"},
    "tags": ["a", "b"],
    "payload": {"n": 2**60},
}


def test_a_form_that_was_not_touched_changes_nothing() -> None:
    body = body_of(values_of(JOB))
    assert changes(body | {"scheduled_at": "2026-11-01T00:00:00Z"}, JOB) == {}


def test_only_what_differs_is_sent() -> None:
    body = body_of(values_of(JOB) | {"kind": "every", "rule": "PT15M", "tags": "b"})
    del body["scheduled_at"]
    assert changes(body, JOB) == {"recurrence": {"every": "PT15M"}, "tags": ["b"]}


def test_an_empty_field_is_left_out() -> None:
    assert body_of({"name": "x", "task": " ", "payload": "", "kind": "daily"}) == {"name": "x", "recurrence": "daily"}


@pytest.mark.parametrize(("field", "text"), [("payload", "{"), ("max_retries", "many")])
def test_what_no_body_could_say_is_a_fault_of_its_field(field: str, text: str) -> None:
    with pytest.raises(Problem) as caught:
        body_of({"name": "x", field: text})
    assert list(faults_of(caught.value)) == [field]


def test_a_fault_stands_beside_its_field() -> None:
    problem = invalid(Fault("/recurrence/cron", "five fields"), Fault("/tags/0", "too long"))
    assert faults_of(problem) == {"rule": "five fields", "tags": "too long"}
    assert faults_of(Problem(412, "stale_version", "changed meanwhile")) == {"": "changed meanwhile"}


def test_the_time_to_keep_runs_is_changed_or_left_to_the_installation() -> None:
    form = values_of(JOB)
    assert form["keep"] == "P365D"
    untouched = {"scheduled_at": "2026-11-01T00:00:00Z"}
    assert changes(body_of(form | {"keep": " P30D "}) | untouched, JOB) == {"keep": "P30D"}
    assert changes(body_of(form | {"keep": ""}) | untouched, JOB) == {"keep": None}


def test_limits_are_unfolded_where_one_is_set_or_wrong() -> None:
    assert JobForm({"keep": "P30D"}).has_limits
    assert JobForm({}, None, {"start_within": "write it like PT10M"}).has_limits
    assert not JobForm({"name": "n", "priority": "4"}).has_limits


def test_a_rate_is_sent_as_one_object_and_removed_by_empty_fields() -> None:
    form = values_of(JOB)
    assert form["rate_key"] == "stripe"
    assert form["concurrency_key"] == ""
    assert body_of(form | {"rate_limit": "20"})["rate"] == {"key": "stripe", "limit": 20, "per": "PT1S"}
    assert body_of(form | {"rate_key": "", "rate_limit": "", "rate_per": ""})["rate"] is None


def test_a_fault_of_a_rate_stands_beside_its_field() -> None:
    form = values_of(JOB) | {"rate_limit": "many"}
    with pytest.raises(Problem) as caught:
        body_of(form)
    assert faults_of(caught.value, form) == {"rate_limit": "this must be a whole number"}
    problem = invalid(Fault("/rate/key", "too short"), Fault("/concurrency", "not both"))
    assert faults_of(problem, form) == {"rate_key": "too short", "concurrency_key": "not both"}
