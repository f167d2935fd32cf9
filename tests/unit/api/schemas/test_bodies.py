"""Job bodies: the definition that a valid one makes, and the pointers of the faults of an invalid one."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duebook_api.http.problems import Problem
from duebook_api.http.requests import validated
from duebook_api.http.strict_json import parse
from duebook_api.jobs.definition import define
from duebook_api.schemas.bodies import BatchBody, JobBody
from duebook_common.domain.definition import Backoff, CatchUp, Definition, Dst, Notify
from duebook_common.domain.job.decide import create
from duebook_common.store.codec import DEFINITION, decode, encode

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def faults(**fields: Any) -> list[str]:
    """The pointers of the faults of a job with these fields."""
    try:
        define(validated(JobBody, {"name": "n"} | fields), NOW)
    except Problem as problem:
        return [str(problem.status)] * (problem.status != 422) + [fault.pointer for fault in problem.faults]
    return []


def test_a_name_alone_makes_a_job_of_defaults() -> None:
    assert JobBody.model_validate({"name": "n"}).definition(NOW) == Definition(name="n", scheduled_at=NOW)


def test_every_field_reaches_the_definition() -> None:
    body = {
        "name": "n",
        "task": "t",
        "payload": [1],
        "scheduled_at": "2027-01-01T02:00:00.5+02:00",
        "recurrence": "weekly",
        "timezone": "Europe/Berlin",
        "dst": {"gap": "skip", "fold": "both"},
        "ends_at": "2028-01-01T00:00:00Z",
        "max_retries": 0,
        "backoff": {"initial": "PT2S", "factor": 1, "max": "P1D", "jitter": 0},
        "timeout": "PT1H30M",
        "start_within": "PT10M",
        "keep": "P365D",
        "overlap": "allow_all",
        "catch_up": {"policy": "latest", "window": "P1W"},
        "queue": "q.1",
        "priority": 9,
        "notify": {"to": ["a@example.com"], "on": ["cancelled"]},
        "tags": ["x"],
        "metadata": {"k": None},
    }
    assert define(validated(JobBody, body), NOW) == Definition(
        name="n",
        task="t",
        payload=[1],
        scheduled_at=datetime(2027, 1, 1, 0, 0, 0, 500_000, UTC),
        recurrence="weekly",
        timezone="Europe/Berlin",
        dst=Dst("skip", "both"),
        ends_at=datetime(2028, 1, 1, tzinfo=UTC),
        max_retries=0,
        backoff=Backoff(timedelta(seconds=2), 1, timedelta(days=1), 0),
        timeout=timedelta(minutes=90),
        start_within=timedelta(minutes=10),
        keep=timedelta(days=365),
        overlap=Definition(name="", scheduled_at=NOW).overlap.ALLOW_ALL,
        catch_up=CatchUp("latest", timedelta(weeks=1)),
        queue="q.1",
        priority=9,
        notify=Notify(("a@example.com",), ("cancelled",)),
        tags=("x",),
        metadata={"k": None},
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"name": None},
        {"task": ""},
        {"scheduled_at": "2026-11-24T02:00:00"},
        {"scheduled_at": "2026-11-24"},
        {"scheduled_at": 1_700_000_000},
        {"scheduled_at": "2026-02-30T00:00:00Z"},
        {"scheduled_at": "1969-12-31T23:59:59Z"},
        {"scheduled_at": "9999-12-31T23:59:59-14:00"},
        {"scheduled_at": None},
        {"recurrence": "hourly"},
        {"recurrence": {}},
        {"recurrence": {"cron": "0 2 * * *", "every": "PT1H"}},
        {"recurrence": {"word": "daily"}},
        {"recurrence": None},
        {"timezone": ""},
        {"timezone": "europe/berlin"},
        {"timezone": "../UTC"},
        {"ends_at": "2026-11-23T00:00:00Z"},
        {"max_runs": 0},
        {"jitter": "PT0S"},
        {"pause_on_failure": 1},
        {"concurrency": "k"},
        {"max_retries": -1},
        {"max_retries": 1001},
        {"max_retries": True},
        {"timeout": "PT0S"},
        {"timeout": "P1M"},
        {"timeout": 60},
        {"start_within": "PT0S"},
        {"keep": "PT0S"},
        {"overlap": "buffer_two"},
        {"queue": "Q"},
        {"queue": "q\n"},
        {"queue": "q" * 64},
        {"priority": 10},
        {"priority": "4"},
        {"priority": 4.0},
        {"priority": True},
        {"tags": "x"},
        {"metadata": []},
        {"nope": 1},
    ],
    ids=str,
)
def test_a_wrong_field_is_refused_with_its_name(fields: dict[str, Any]) -> None:
    assert faults(**fields) == [f"/{name}" for name in fields]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"dst": {"gap": "jump"}}, "/dst/gap"),
        ({"dst": {"nope": 1}}, "/dst/nope"),
        ({"backoff": {"initial": "PT0S"}}, "/backoff/initial"),
        ({"backoff": {"factor": 0.5}}, "/backoff/factor"),
        ({"backoff": {"factor": 1e9}}, "/backoff/factor"),
        ({"backoff": {"jitter": 1.1}}, "/backoff/jitter"),
        ({"catch_up": {"policy": "some"}}, "/catch_up/policy"),
        ({"concurrency": {"key": "k", "limit": 0}}, "/concurrency/limit"),
        ({"concurrency": {"limit": 1}}, "/concurrency/key"),
        ({"rate": {"key": "k"}}, "/rate/limit"),
        ({"rate": {"key": "k", "limit": 100_001}}, "/rate/limit"),
        ({"rate": {"key": "k" * 201, "limit": 1}}, "/rate/key"),
        ({"rate": {"key": "k", "limit": 1, "per": "PT0.9S"}}, "/rate/per"),
        ({"rate": {"key": "k", "limit": 1, "per": "PT24H1S"}}, "/rate/per"),
        ({"notify": {"to": ["a@b", "nobody"]}}, "/notify/to/1"),
        ({"notify": {"to": ["a@b.c\u0001"]}}, "/notify/to/0"),
        ({"notify": {"on": ["failed"]}}, "/notify/on/0"),
        ({"tags": ["x", 1]}, "/tags/1"),
        ({"tags": ["x" * 201]}, "/tags/0"),
    ],
    ids=str,
)
def test_a_pointer_reaches_into_a_field(fields: dict[str, Any], pointer: str) -> None:
    assert faults(**fields) == [pointer]


def test_all_faults_of_a_batch_are_reported_at_once() -> None:
    with pytest.raises(Problem) as caught:
        validated(BatchBody, {"jobs": [{"name": "n"}, {"name": 1, "x": 2}, None]})
    assert [fault.pointer for fault in caught.value.faults] == ["/jobs/1/name", "/jobs/1/x", "/jobs/2"]


def test_an_optional_field_may_be_null() -> None:
    nulls = {
        "ends_at": None,
        "max_runs": None,
        "start_within": None,
        "keep": None,
        "jitter": None,
        "concurrency": None,
        "rate": None,
    }
    assert faults(**nulls, pause_on_failure=False) == []


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
TIMES = st.sampled_from(["1970-01-01T00:00:00Z", "9998-12-31T23:59:59Z", "2026-03-29T02:30:00+01:00"]) | ANY_JSON
LENGTHS = st.sampled_from(["PT1S", "P36500D", "PT0.000001S", "P1W", "PT1H1M1S"]) | ANY_JSON
FIELDS = {
    "name": st.text(max_size=3) | ANY_JSON,
    "payload": ANY_JSON,
    "scheduled_at": TIMES,
    "ends_at": TIMES,
    "recurrence": st.sampled_from(["none", "daily", "weekly"]) | ANY_JSON,
    "timezone": st.sampled_from(["UTC", "Pacific/Kiritimati", "America/New_York"]) | ANY_JSON,
    "dst": st.fixed_dictionaries({}, optional={"gap": st.sampled_from(["skip", "run_after"]), "fold": st.just("both")}),
    "backoff": st.fixed_dictionaries({}, optional={"initial": LENGTHS, "factor": st.floats(), "jitter": st.floats()}),
    "timeout": LENGTHS,
    "start_within": LENGTHS,
    "keep": LENGTHS,
    "catch_up": st.fixed_dictionaries({}, optional={"window": LENGTHS}) | ANY_JSON,
    "queue": st.text(max_size=3) | ANY_JSON,
    "priority": st.integers() | ANY_JSON,
    "max_retries": st.integers() | ANY_JSON,
    "notify": ANY_JSON,
    "tags": st.lists(st.text()) | ANY_JSON,
    "metadata": ANY_JSON,
}


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_any_body_is_refused_with_a_problem_or_survives_storage(body: dict[str, Any]) -> None:
    try:
        text = orjson.dumps(body)
    except TypeError:  # an integer beyond 64 bits, or half a surrogate pair
        return
    try:
        definition = define(validated(JobBody, parse(text)), NOW)
    except Problem:
        return
    created = create(uuid4(), definition, NOW)
    assert created.next_at is not None
    type_, data = encode(created)
    assert b"\\u0000" not in data or "\0" not in str(orjson.loads(data))
    assert decode(type_, orjson.loads(data), None) == created
    assert DEFINITION.validate_python(orjson.loads(DEFINITION.dump_json(definition))) == definition
