from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duebook_api.console.pages.job_fields import body_of, changes, values_of
from duebook_api.console.pages.job_form import JobForm, faults_of, new_values
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.schemas import views
from duebook_api.schemas.bodies import JobBody
from duebook_common.domain.definition import Cron, Rate
from support.samples import a_definition

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
JOB: dict[str, Any] = views.definition(
    a_definition(
        recurrence=Cron("0 2 * * *"),
        keep=timedelta(days=365),
        rate=Rate("stripe", 10, timedelta(seconds=1)),
        tags=("a", "b"),
        payload={"n": 2**60},
    )
)


def test_only_what_differs_is_sent() -> None:
    body = body_of(values_of(JOB) | {"kind": "every", "rule": "PT15M", "tags": "b"})
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
    assert changes(body_of(form | {"keep": " P30D "}), JOB) == {"keep": "P30D"}
    assert changes(body_of(form | {"keep": ""}), JOB) == {"keep": None}


NEW = new_values("UTC")


def test_a_new_job_begins_with_the_defaults_of_the_api() -> None:
    given = JobBody.model_validate(body_of(NEW | {"name": "a"}))
    assert given.definition(NOW) == JobBody(name="a").definition(NOW)


@pytest.mark.parametrize(
    "fields",
    [
        {"keep": "P30D"},
        {"backoff_max": "PT1M"},
        {"pause_on_failure": "true"},
        {"notify_on_succeeded": ""},
        {"notify_on_missed": "1"},
        {"then_0_job": "key:a"},
    ],
)
def test_rare_fields_are_unfolded_where_one_is_set(fields: dict[str, str]) -> None:
    assert JobForm(NEW | fields).has_more


@pytest.mark.parametrize("name", ["start_within", "then_0", "then", "backoff_factor", "metadata"])
def test_rare_fields_are_unfolded_where_one_is_wrong(name: str) -> None:
    assert JobForm(NEW, None, {name: "write it like PT10M"}).has_more


def test_rare_fields_are_folded_where_all_is_usual() -> None:
    sent = {
        "catch_up_policy": "latest",
        "pause_on_failure": "false",
        "dst_gap": "run_after",
        "then_0_on_succeeded": "1",
    }
    for values in (NEW, NEW | sent, values_of(views.definition(a_definition()))):
        assert not JobForm(values).has_more
        assert not JobForm(values).has_more_of_schedule
    assert JobForm(NEW | {"dst_fold": "both"}).has_more_of_schedule


def test_the_form_has_a_line_for_one_more_follow_up() -> None:
    assert [each["job"] for each in JobForm(NEW | {"then_0_job": "", "then_1_job": "key:a"}).follow_ups] == [
        "key:a",
        "",
    ]
    full = {f"then_{n}_job": f"key:{n}" for n in range(20)}
    assert len(JobForm(full).follow_ups) == 20


def test_a_fault_of_an_object_stands_beside_its_first_field() -> None:
    form = {"notify_to": "x", "then_0_job": "key:a", "backoff_initial": "", "backoff_max": "1"}
    faults = [Fault("/notify/to/0", "no address"), Fault("/then/0/on", "empty"), Fault("/then/0/job", "no job")]
    problem = invalid(*faults, Fault("/backoff/max", "write it like PT10M"), Fault("/dst", "unknown"))
    assert faults_of(problem, form) == {
        "notify_to": "no address",
        "then_0": "empty",
        "then_0_job": "no job",
        "backoff_max": "write it like PT10M",
        "dst_gap": "unknown",
    }


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
    assert faults_of(caught.value, form) == {"rate_limit": "this must be a whole number, like 3"}
    problem = invalid(Fault("/rate/key", "too short"), Fault("/concurrency", "not both"))
    assert faults_of(problem, form) == {"rate_key": "too short", "concurrency_key": "not both"}
