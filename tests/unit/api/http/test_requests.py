"""Bodies become models; payload and metadata are bounded together, and so are the faults that are reported."""

import time
from typing import Any

import pytest

from duebook_api.http.problems import Problem
from duebook_api.http.requests import may_be_too_large, must_fit, validated, validated_each
from duebook_api.schemas.bodies import JobBody

KIB = 1024


def refusal(payload: Any, metadata: Any) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        must_fit(payload, metadata, "/jobs/1")
    return caught.value.status, caught.value.faults[0].pointer


def test_payload_and_metadata_are_bounded_together() -> None:
    must_fit("x" * (256 * KIB - 2))
    must_fit("x" * (128 * KIB - 2), "x" * (128 * KIB - 2))
    assert refusal("x" * (256 * KIB - 1), {}) == (413, "/jobs/1/payload")
    assert refusal({}, {"a": "x" * 256 * KIB}) == (413, "/jobs/1/metadata")
    assert refusal("x" * 200 * KIB, {"a": "x" * 100 * KIB}) == (413, "/jobs/1/payload")
    assert refusal("x" * 100 * KIB, {"a": "x" * 200 * KIB}) == (413, "/jobs/1/metadata")


def test_a_short_body_is_measured_if_its_numbers_are_stored_in_more_digits() -> None:
    payload = [1e15] * 20_000
    assert refusal(payload, {}) == (413, "/jobs/1/payload")
    assert may_be_too_large(len('{"payload":[]}') + 20_000 * len("1E15,"))


def test_only_the_first_unknown_fields_are_reported() -> None:
    started = time.process_time()
    with pytest.raises(Problem) as caught:
        validated(JobBody, {f"u{n}": n for n in range(200_000)} | {"name": "n", "priority": 99})
    assert time.process_time() - started < 1
    pointers = [fault.pointer for fault in caught.value.faults]
    assert len(pointers) == 100
    assert {"/priority", "/u0", "/u1"} <= set(pointers)
    assert "/name" not in pointers


def test_a_batch_is_validated_until_there_are_enough_faults() -> None:
    values = [
        {"name": "n"},
        {"name": "n", **{f"u{n}": n for n in range(60)}},
        {},
        *[{f"u{n}": n for n in range(60)}] * 9,
    ]
    with pytest.raises(Problem) as caught:
        validated_each(JobBody, values, "/jobs")
    pointers = [fault.pointer for fault in caught.value.faults]
    assert (len(pointers), pointers[0], pointers[60]) == (100, "/jobs/1/u0", "/jobs/2/name")
    assert [body.name for body in validated_each(JobBody, values[:1], "/jobs")] == ["n"]


def test_a_long_name_of_a_field_is_not_repeated_in_full() -> None:
    with pytest.raises(Problem) as caught:
        validated(JobBody, {"name": "n", "x" * 1_000_000: 1})
    assert len(caught.value.detail) < 1_000
