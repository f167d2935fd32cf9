"""The types of events that the job log shows are listed in several places, which must agree."""

import re
from dataclasses import fields
from importlib import resources
from typing import get_args

from duebook_api.history import job_logs
from duebook_api.schemas import answers, views
from duebook_common.domain.run.events import AttemptLost, AttemptStarted, RunCancelled, RunDeadLettered, RunEvent
from duebook_common.integrity import verify_run
from duebook_executor import attempt_metrics

OF_ATTEMPTS = {event for event in get_args(RunEvent) if "attempt" in {field.name for field in fields(event)}}
LOGGED = {event.__name__ for event in OF_ATTEMPTS | {RunDeadLettered}}


def types_after(text: str, start: str) -> set[str]:
    """The types of the first IN list after `start`."""
    in_list = re.search(re.escape(start) + r".*?type IN \((.*?)\)", text, re.DOTALL)
    assert in_list, start
    return set(re.findall(r"'(\w+)'", in_list[1]))


def test_the_log_shows_each_event_that_names_an_attempt() -> None:
    assert types_after(job_logs._OF_EVENTS, "FROM events e\n") == LOGGED


def test_each_index_of_the_log_has_the_types_that_the_log_shows() -> None:
    schema = resources.files("duebook_common.integrity") / "migrations/schema"
    log = (schema / "log.sql").read_text(encoding="utf-8")
    for index in ("events_logged", "events_of_attempts"):
        assert types_after(log, f"CREATE INDEX {index} ") == LOGGED, index


def test_a_type_that_is_rare_has_an_index_of_its_own() -> None:
    schema = resources.files("duebook_common.integrity") / "migrations/schema"
    log = (schema / "log.sql").read_text(encoding="utf-8")
    common = {"AttemptStarted", "AttemptSucceeded"}
    assert types_after(log, "CREATE INDEX events_logged_by_type ") == LOGGED - common


def test_each_type_that_the_log_shows_has_a_status() -> None:
    assert set(views.LOG_STATUS) == LOGGED | {"line"}
    assert set(views.LOG_STATUS.values()) == set(get_args(answers.LogStatus))


def test_each_outcome_that_an_executor_records_is_counted() -> None:
    by_others = {event.__name__ for event in (AttemptStarted, AttemptLost)}
    assert set(attempt_metrics._OUTCOMES) == LOGGED - by_others


def test_verify_knows_each_outcome_of_an_attempt() -> None:
    assert set(verify_run._OUTCOMES) == OF_ATTEMPTS - {AttemptStarted, RunCancelled}
