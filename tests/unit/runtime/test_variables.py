"""Names of variables that mean nothing are found, with what may be meant."""

import pytest

from duebook_api.settings import ApiSettings
from duebook_common.runtime.variables import KNOWN, unknown
from duebook_executor.settings import ExecutorSettings
from duebook_notifier.settings import NotifierSettings
from duebook_scheduler.settings import SchedulerSettings


def test_every_setting_of_every_service_is_known() -> None:
    """A new setting belongs into KNOWN as well."""
    settings = (ApiSettings, SchedulerSettings, ExecutorSettings, NotifierSettings)
    fields = {name.upper() for kind in settings for name in kind.model_fields}
    assert fields | {"URL", "VERSION"} == KNOWN


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("DUEBOOK_CONCURENCY", "DUEBOOK_CONCURRENCY"),
        ("DUEBOOK_QUEUE", "DUEBOOK_QUEUES"),
        ("DUEBOOK_POSTGRESS_URL_FILE", "DUEBOOK_POSTGRES_URL_FILE"),
        ("DUEBOOK_LOGLEVEL", "DUEBOOK_LOG_LEVEL"),
        ("DUEBOOK_COLOUR_OF_THE_SKY", None),
    ],
)
def test_an_unknown_name_is_found_with_what_may_be_meant(name: str, near: str | None) -> None:
    assert list(unknown(["PATH", name, "DUEBOOK_PORT"])) == [(name, near)]


@pytest.mark.parametrize(
    "name", ["PORT", "DUEBOOK_URL", "DUEBOOK_API_KEY_FILE", "DUEBOOK_TEST_SCHEDULES", "DUEBOOK_API_SERVICE_HOST"]
)
def test_other_names_are_left_alone(name: str) -> None:
    assert list(unknown([name])) == []
