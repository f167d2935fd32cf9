"""The scheduler's settings, above all the cron expression of its poll."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from duebook_common.runtime.settings import read
from duebook_scheduler.settings import SchedulerSettings
from support.samples import DAY, HOUR, MINUTE, NOW, SECOND

ENVIRONMENT = {
    "DUEBOOK_POSTGRES_URL": "postgresql://db",
    "DUEBOOK_RABBITMQ_URL": "amqp://broker",
    "DUEBOOK_REDIS_URL": "redis://cache",
}


def given(**more: str) -> SchedulerSettings:
    return read(SchedulerSettings, ENVIRONMENT | {f"DUEBOOK_{name}": value for name, value in more.items()})


def test_the_default_poll_is_every_second() -> None:
    assert given().next_poll(NOW) == NOW + SECOND


@pytest.mark.parametrize(
    ("expression", "wait"),
    [
        ("*/5 * * * * *", 5 * SECOND),
        ("30 * * * * *", 30 * SECOND),
        ("* * * * *", MINUTE),
        ("*/15 * * * *", 15 * MINUTE),
        ("0 0 2 * * *", HOUR),
        ("0 0 * * *", 23 * HOUR),
        ("0 1 * * 3", DAY),
    ],
)
def test_six_fields_start_with_seconds_and_five_with_minutes(expression: str, wait: timedelta) -> None:
    assert given(POLL_CRON=expression).next_poll(NOW) == NOW + wait


def test_the_next_poll_is_always_later() -> None:
    settings = given(POLL_CRON="0 1 * * *")
    assert settings.next_poll(NOW) == NOW + DAY
    assert settings.next_poll(NOW - timedelta(microseconds=1)) == NOW


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("* * * *", "this one has 4"),
        ("* * * * * * *", "this one has 7"),
        ("61 * * * *", "not a cron expression that ever fires"),
        ("x * * * *", "not a cron expression that ever fires"),
        ("0 0 31 2 *", "not a cron expression that ever fires"),
    ],
)
def test_an_expression_that_never_fires_is_refused(expression: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        given(POLL_CRON=expression)


@pytest.mark.parametrize("missing", ["DUEBOOK_RABBITMQ_URL", "DUEBOOK_REDIS_URL"])
def test_a_missing_server_url_is_refused(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing.removeprefix("DUEBOOK_").lower()):
        read(SchedulerSettings, {name: value for name, value in ENVIRONMENT.items() if name != missing})


def test_defaults_and_durations() -> None:
    settings: Any = given()
    assert (settings.lease, settings.misfire, settings.port) == (30 * SECOND, MINUTE, 8001)
    assert given(LEASE="PT5S", MISFIRE="PT2M").misfire == 2 * MINUTE


@pytest.mark.parametrize(
    ("given_", "variable", "says"),
    [
        ({"RETENTION": "P90D"}, "archive_url", "DUEBOOK_RETENTION needs it"),
        ({"RETENTION": "PT1M", "ARCHIVE_URL": "/archives"}, "retention", "PT1M is out of bounds"),
        ({"ARCHIVE_URL": "archives"}, "archive_url", "the absolute path of a folder"),
        ({"ARCHIVE_URL": "s3:///prefix"}, "archive_url", "name the bucket"),
        ({"ARCHIVE_URL": "https://host/bucket"}, "archive_url", "or s3://bucket/duebook"),
    ],
)
def test_archives_that_could_not_be_written_are_refused(given_: dict[str, str], variable: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says) as refused:
        given(**given_)
    assert refused.value.errors()[0]["loc"] == (variable,)


def test_runs_stay_for_ever_unless_a_retention_is_set() -> None:
    assert given().retention is None
    assert given(RETENTION="P90D", ARCHIVE_URL="file:///archives").retention == timedelta(days=90)
    assert given(RETENTION="P90D", ARCHIVE_URL="s3://bucket").archive_url == "s3://bucket"


@pytest.mark.parametrize(("partitions", "retention"), [("hour", "P15D"), ("day", "P365D"), ("month", "P10000D")])
def test_periods_may_be_hundreds(partitions: str, retention: str) -> None:
    settings = given(PARTITIONS=partitions, RETENTION=retention, ARCHIVE_URL="/archives")
    assert settings.partitions == partitions


@pytest.mark.parametrize(("partitions", "retention"), [("hour", "P17D"), ("day", "P730D")])
def test_more_periods_are_refused_with_a_remedy(partitions: str, retention: str) -> None:
    with pytest.raises(ValidationError, match=r"periods within DUEBOOK_RETENTION, and 400 are the most; take longer"):
        given(PARTITIONS=partitions, RETENTION=retention, ARCHIVE_URL="/archives")
