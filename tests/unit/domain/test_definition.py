"""Definitions: delays between attempts, equality, and recipients."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.definition import Backoff, Dst, Notify
from support.samples import DAY, MINUTE, NOW, SECOND, a_definition


def test_delays_grow_by_the_factor_up_to_the_maximum() -> None:
    backoff = Backoff(2 * SECOND, 3, 60 * SECOND, 0)
    assert [backoff.delay(failures, 0.7) / SECOND for failures in range(1, 7)] == [2, 6, 18, 54, 60, 60]


def test_jitter_varies_a_delay_in_both_directions() -> None:
    backoff = Backoff(10 * SECOND, 2, MINUTE, 0.2)
    assert backoff.delay(1, 0) == 8 * SECOND
    assert backoff.delay(1, 0.5) == 10 * SECOND
    assert backoff.delay(1, 0.75) == 11 * SECOND


@given(
    st.timedeltas(timedelta(0), DAY),
    st.floats(1, 1000),
    st.timedeltas(timedelta(0), DAY),
    st.floats(0, 1),
    st.integers(1, 2000),
    st.floats(0, 1, exclude_max=True),
)
def test_a_delay_stays_within_its_bounds(
    initial: timedelta, factor: float, most: timedelta, jitter: float, failures: int, chance: float
) -> None:
    plain = Backoff(initial, factor, most, 0).delay(failures, chance)
    spread = Backoff(initial, factor, most, jitter).delay(failures, chance)
    assert min(initial, most) <= plain <= most
    assert abs(spread - plain) <= plain * jitter + timedelta(microseconds=1)
    assert plain <= Backoff(initial, factor, most, 0).delay(failures + 1, chance)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0, False), ({"a": [1]}, {"a": [1.0]}), ([], {}), (None, 0)]
)
def test_values_that_differ_in_json_are_not_the_same(one: Any, other: Any) -> None:
    assert not a_definition(payload=one).same(a_definition(payload=other))
    assert not a_definition(metadata={"x": one}).same(a_definition(metadata={"x": other}))


def test_the_order_of_keys_does_not_matter() -> None:
    assert a_definition(payload={"a": 1, "b": 2}).same(a_definition(payload={"b": 2, "a": 1}))


@pytest.mark.parametrize(
    "change",
    [
        {"scheduled_at": NOW + SECOND},
        {"recurrence": "daily"},
        {"timezone": "Europe/Berlin"},
        {"dst": Dst(gap="skip")},
        {"ends_at": NOW},
    ],
)
def test_a_change_of_a_schedule_field_is_another_schedule(change: dict[str, Any]) -> None:
    definition = a_definition()
    assert not definition.same_schedule(replace(definition, **change))
    assert not definition.same(replace(definition, **change))


def test_a_change_of_any_other_field_is_the_same_schedule() -> None:
    definition = a_definition()
    other = replace(definition, name="weekly report", payload={"a": 1}, max_retries=0, queue="slow", tags=("x",))
    assert definition.same_schedule(other)
    assert not definition.same(other)


@pytest.mark.parametrize(
    ("notify", "payload", "to"),
    [
        ((), {}, ()),
        ((), {"to": "a@example.com"}, ("a@example.com",)),
        ((), {"to": "not an address"}, ()),
        ((), {"to": ["a@example.com"]}, ()),
        ((), "a@example.com", ()),
        ((), None, ()),
        (("b@example.com", "c@example.com"), {"to": "a@example.com"}, ("b@example.com", "c@example.com")),
    ],
)
def test_recipients_come_from_notify_or_else_from_the_payload(
    notify: tuple[str, ...], payload: Any, to: tuple[str, ...]
) -> None:
    assert a_definition(notify=Notify(to=notify), payload=payload).recipients == to
