"""A job takes the defaults of its task where it names no value, and keeps them when the same is sent again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from duebook.defaults import Backoff, Defaults
from duebook_api.jobs.patch import patched
from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.task_defaults import DefaultsByTask, with_task_defaults
from duebook_common.domain import definition as domain
from duebook_common.domain.definition import Definition
from duebook_common.store.executors import Registered
from support.samples import NOW

SLOW = {"timeout": "PT1H", "max_retries": 9}


def executor(*queues: str, **defaults: Any) -> Registered:
    """One whose task `t` has these defaults."""
    return Registered(frozenset(queues), frozenset({"t"}), {"t": defaults} if defaults else {})


def known(*executors: Registered, last: Any = None) -> DefaultsByTask:
    return DefaultsByTask({"t": last or {}}, executors)


def job(defaults: DefaultsByTask, current: Definition | None = None, **fields: Any) -> Definition:
    body = JobBody.model_validate({"name": "n", "task": "t", **fields})
    return with_task_defaults(body, defaults.of, current).definition(NOW)


def test_a_field_that_is_left_out_has_the_tasks_default() -> None:
    defaults = known(executor("default", **SLOW))
    made = job(defaults, max_retries=1)
    assert (made.timeout, made.max_retries, made.queue) == (timedelta(hours=1), 1, "default")
    assert made.left_out == ("queue", "timeout", "backoff")
    assert job(defaults, task="log").timeout == timedelta(minutes=5)


def test_a_default_queue_chooses_the_executors_whose_defaults_count() -> None:
    defaults = known(executor("gpu", queue="gpu", timeout="PT1H"), executor("gpu", "cpu", queue="gpu", timeout="PT1H"))
    assert (job(defaults).queue, job(defaults).timeout) == ("gpu", timedelta(hours=1))
    assert job(defaults, queue="cpu").queue == "cpu"


def test_only_what_the_executors_of_the_queue_agree_on_counts() -> None:
    defaults = known(
        executor("default", timeout="PT1H", max_retries=9), executor("default", timeout="PT2H", max_retries=9)
    )
    assert (job(defaults).timeout, job(defaults).max_retries) == (timedelta(minutes=5), 9)
    silent = known(executor("default", **SLOW), executor("default"))
    assert (job(silent).timeout, job(silent).max_retries) == (timedelta(minutes=5), 3)
    elsewhere = known(executor("default", **SLOW), executor("gpu"))
    assert job(elsewhere, queue="default").timeout == timedelta(hours=1)


def test_without_an_executor_the_last_registered_defaults_count() -> None:
    assert job(known(last=SLOW)).timeout == timedelta(hours=1)
    assert job(known(executor("default"), last=SLOW)).timeout == timedelta(minutes=5)


def test_the_same_body_again_keeps_what_it_had() -> None:
    before, later = known(executor("default", **SLOW)), known(executor("default", timeout="PT2H", queue="gpu"))
    current = job(before)
    assert job(later, current).same(current)
    assert job(later, job(known())).same(job(known()))
    explicit = job(before, timeout="PT3H")
    assert job(later, explicit).timeout == timedelta(hours=2), "it was named, and is left out now"
    assert job(later, replace(current, task="other")).timeout == timedelta(hours=2), "another task, other defaults"


def test_a_patch_keeps_defaults_and_null_takes_the_present_ones() -> None:
    current, later = job(known(executor("default", **SLOW))), known(executor("default", timeout="PT2H"))

    def patch(**fields: Any) -> Definition:
        return patched(current, fields, NOW, defaults_of=later.of)

    assert patch(priority=1).same(replace(current, priority=1))
    assert patch(timeout="PT3H").left_out == ("queue", "max_retries", "backoff")
    assert (patch(timeout=None).timeout, patch(timeout=None).left_out) == (timedelta(hours=2), current.left_out)


def test_defaults_that_are_not_known_here_are_not_used() -> None:
    assert job(known(executor("default", timeout="soon"))).timeout == timedelta(minutes=5)
    assert job(known(executor("default", timeout="PT1H", mood="good"))).timeout == timedelta(minutes=5)


@pytest.mark.parametrize(
    "defaults",
    [
        Defaults("reports", timedelta(seconds=90.5), 0, Backoff()),
        Defaults(backoff=Backoff(timedelta(minutes=2), 1.5, timedelta(days=1), 0)),
    ],
)
def test_what_a_task_says_is_what_the_api_reads(defaults: Defaults) -> None:
    made = job(known(executor("reports", "default", **defaults.json())))
    assert made.timeout == (defaults.timeout or timedelta(minutes=5))
    assert defaults.backoff is not None
    backoff = defaults.backoff
    assert made.backoff == domain.Backoff(backoff.initial, backoff.factor, backoff.max, backoff.jitter)
    assert made.backoff.delay(3, 0.7) == backoff.delay(3, 0.7)


def test_the_defaults_are_read_again_only_when_a_registration_has_changed() -> None:
    one, same = executor("default", **SLOW), executor("default", **SLOW)
    defaults = known(one)
    assert defaults.updated({"t": {}}, (same,)) is defaults
    changed = defaults.updated({"t": {}}, (executor("default", timeout="PT2H"),))
    assert job(changed).timeout == timedelta(hours=2)
