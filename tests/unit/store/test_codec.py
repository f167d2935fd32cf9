"""Events as JSON: the storage format, which stays readable when fields are added."""

from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from duebook_common.domain.definition import Backoff, CatchUp, Definition, Dst, Notify, Overlap
from duebook_common.domain.job.events import JobChanged, JobCreated
from duebook_common.domain.run.events import AttemptSucceeded, RunDispatched, RunRedriven
from duebook_common.store.codec import (
    BACKOFF,
    DEFINITION,
    NOTIFY,
    Event,
    complete,
    complete_definition,
    complete_light,
    decode,
    dumps,
    encode,
    encode_definition,
    rfc3339,
)
from support.job_defaults import DEFAULTS
from support.samples import JOB_ID, MINUTE, NOW, SECOND, a_definition, a_dispatch

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip
FULL = Definition(
    name="nightly report",
    scheduled_at=NOW,
    task="reports.nightly",
    payload={"to": ["ü", None, 1.5]},
    recurrence="weekly",
    timezone="Europe/Berlin",
    dst=Dst("skip", "both"),
    ends_at=NOW + MINUTE,
    max_retries=0,
    backoff=Backoff(SECOND / 2, 1.5, MINUTE, 0.0),
    timeout=timedelta(days=400, microseconds=1),
    start_within=SECOND,
    keep=SECOND,
    overlap=Overlap.ALLOW_ALL,
    catch_up=CatchUp(window=MINUTE),
    queue="slow",
    priority=9,
    notify=Notify(("a@example.com",), ("cancelled", "missed")),
    tags=("x", "y"),
    metadata={"team": "books"},
)


def stored(event: Event) -> tuple[str, Any]:
    """The event's type and data, as they are read from the log."""
    name, data = encode(event)
    return name, orjson.loads(data)


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value that a field with this annotation may hold."""
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind in {Union, UnionType}:
        return st.one_of(*map(values, inner))
    if kind is tuple:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if kind is Literal:
        return st.sampled_from(inner)
    if kind is dict:
        return st.dictionaries(st.text(), values(inner[1]), max_size=3)
    if isinstance(annotation, type) and is_dataclass(annotation):
        hints = get_type_hints(annotation)
        return st.builds(annotation, **{name: values(hint) for name, hint in hints.items()})
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return st.sampled_from(list(annotation))
    return SIMPLE[kind or annotation]


SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    Any: JSON,
    type(None): st.none(),
    bool: st.booleans(),
    int: st.integers(-(2**31), 2**31 - 1),
    float: st.floats(0, 1000),
    str: st.text(),
    UUID: st.uuids(),
    datetime: st.datetimes(datetime(1970, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    timedelta: st.timedeltas(timedelta(0), timedelta(days=36500)),
}


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_event_is_read_as_it_was_written(kind: type[Any], data: st.DataObject) -> None:
    event = data.draw(values(kind))
    assert decode(*stored(event), getattr(event, "job_id", None)) == event


def test_a_definition_with_all_fields_is_read_as_it_was_written() -> None:
    event = JobCreated(definition=FULL, next_at=None, request_hash="h", at=NOW)
    back = decode(*stored(event), None)
    assert back == event
    assert isinstance(back, JobCreated)
    assert back.definition.same(FULL)
    assert back.definition.scheduled_at.utcoffset() == timedelta(0)
    assert isinstance(back.definition.tags, tuple)


@given(JSON)
def test_payloads_and_results_are_stored_exactly(value: Any) -> None:
    for event in (
        AttemptSucceeded(attempt=1, result=value, at=NOW),
        RunRedriven(max_attempts=1, reason=None, payload=value, own_payload=True, at=NOW),
    ):
        back = decode(*stored(event), None)
        assert repr(getattr(back, "result", getattr(back, "payload", None))) == repr(value)
    changed = decode(*stored(JobChanged(definition=a_definition(payload=value), next_at=NOW, at=NOW)), None)
    assert isinstance(changed, JobChanged)
    assert changed.definition.same(a_definition(payload=value))


def test_missing_fields_get_their_defaults() -> None:
    name, data = stored(JobCreated(definition=a_definition(), next_at=NOW, at=NOW))
    assert name == "JobCreated"
    data["definition"] = {"name": "nightly report", "scheduled_at": data["definition"]["scheduled_at"]}
    assert decode(name, data, None) == JobCreated(definition=a_definition(), next_at=NOW, at=NOW)


STORED_DEFAULTS = DEFAULTS | {
    "catch_up": {"policy": "latest", "window": "P1Y"},
    "left_out": ["queue", "timeout", "max_retries", "backoff"],
}


def test_a_definition_is_stored_without_defaults_so_these_never_change() -> None:
    given = {"name": "nightly report", "scheduled_at": NOW.isoformat().replace("+00:00", "Z")}
    definition = DEFINITION.validate_python(given)
    recorded = orjson.loads(encode_definition(definition))
    assert recorded == given
    assert stored(JobChanged(definition=definition, next_at=NOW, at=NOW))[1]["definition"] == recorded
    assert complete_definition(recorded) == recorded | STORED_DEFAULTS
    assert DEFINITION.validate_python(orjson.loads(encode_definition(FULL))) == FULL


def test_unknown_fields_are_ignored_and_unknown_types_refused() -> None:
    name, data = stored(a_dispatch())
    event = decode(name, data | {"colour": "red", "backoff": {"mood": 1}}, JOB_ID)
    assert event == a_dispatch()
    with pytest.raises(KeyError):
        decode("RunPainted", data, None)


FIRST_DEFAULTS: dict[str, Any] = {
    "job_version": 1,
    "definition_at": 1,
    "task": "log",
    "queue": "default",
    "priority": 4,
    "trigger": "schedule",
    "max_attempts": 4,
    "backoff": DEFAULTS["backoff"],
    "notify": DEFAULTS["notify"],
    "concurrency": None,
    "rate": None,
    "pause_on_failure": False,
    "cause": None,
    "next_at": None,
    "next_due_at": None,
    "dispatch": 1,
    "start_by": None,
    "payload": None,
    "own_payload": False,
    "request_hash": None,
    "resumed_at": None,
}


def test_the_storage_format_of_an_event_is_fixed() -> None:
    event = a_dispatch(payload={}, notify=Notify(("a@example.com",)))
    assert stored(event) == (
        "RunDispatched",
        {
            "job_name": "nightly report",
            "nominal_at": "2026-11-24T01:00:00Z",
            "notify": {"to": ["a@example.com"]},
            "at": "2026-11-24T01:00:00Z",
        },
    )
    assert complete(*stored(event), JOB_ID) == stored(event)[1] | FIRST_DEFAULTS | {
        "job_id": "00000000-0000-0000-0000-000000000007",
        "due_at": "2026-11-24T01:00:00Z",
        "wake_at": "2026-11-24T01:00:30Z",
        "notify": {"to": ["a@example.com"], "on": ["succeeded", "dead_lettered"]},
    }
    assert complete_light(*stored(event), JOB_ID).keys() == complete(*stored(event), JOB_ID).keys() - {"payload"}
    assert isinstance(event, RunDispatched)


def test_definition_backoff_and_notify_can_be_read_alone() -> None:
    parts: list[tuple[TypeAdapter[Any], Any]] = [(DEFINITION, FULL), (BACKOFF, FULL.backoff), (NOTIFY, FULL.notify)]
    for adapter, value in parts:
        assert adapter.validate_python(orjson.loads(adapter.dump_json(value))) == value


@pytest.mark.parametrize("value", [object(), {1: 2}, 2**64, "\ud800", {"a": {1, 2}}, b"bytes"])
def test_a_value_that_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)


def test_a_time_is_written_in_utc_with_a_z() -> None:
    assert rfc3339(NOW) == "2026-11-24T01:00:00Z"
    assert rfc3339(NOW + timedelta(microseconds=5)) == "2026-11-24T01:00:00.000005Z"
    assert rfc3339(NOW.astimezone(timezone(timedelta(0)))) == "2026-11-24T01:00:00Z"
