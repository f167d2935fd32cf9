"""Names of variables that mean nothing are found, with what may be meant."""

import re
from pathlib import Path

import pytest

from duebook_common.runtime.variables import KNOWN, unknown


def test_every_variable_of_the_example_is_known() -> None:
    """A new one belongs into KNOWN as well."""
    listed = set(re.findall(r"\bDUEBOOK_(\w+)=", Path(".env.example").read_text()))
    assert {name.removesuffix("_FILE") for name in listed} == KNOWN


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
