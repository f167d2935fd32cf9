"""Which time zone rules a process uses."""

import os
import subprocess
import sys
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import tzdata

from duebook_common.runtime import timezones

SUMMER = datetime(2026, 7, 1, tzinfo=UTC)
HOURS = 3600


@pytest.fixture
def odd_machine(tmp_path: Path) -> Iterator[Path]:
    """A zone directory in which Berlin has the rules of Tokyo, as a machine or `PYTHONTZPATH` may have one."""
    (tmp_path / "Europe").mkdir()
    tokyo = Path(tzdata.__path__[0]) / "zoneinfo/Asia/Tokyo"
    (tmp_path / "Europe/Berlin").write_bytes(tokyo.read_bytes())
    yield tmp_path
    timezones.pin()


def berlin_offset() -> float:
    offset = SUMMER.astimezone(zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset()
    assert offset is not None
    return offset.total_seconds() / HOURS


def test_the_rules_come_from_the_package_and_not_from_the_machine(odd_machine: Path) -> None:
    zoneinfo.reset_tzpath(to=[str(odd_machine)])
    zoneinfo.ZoneInfo.clear_cache()
    assert berlin_offset() == 9
    timezones.pin()
    assert berlin_offset() == 2


def test_the_version_is_that_of_the_time_zone_database() -> None:
    assert timezones.VERSION == tzdata.IANA_VERSION
    assert timezones.VERSION[:2] == "20"
    assert timezones.VERSION[-1].isalpha()


SERVICE = """
from duebook_common.runtime.service import run
from duebook_common.runtime.settings import Settings
run("any", Settings.model_construct(log_format="json", log_level="info", host="none.invalid"), 0, None)
"""
COMMAND_LINE = """
from duebook.cli.app import main
sys.argv = ["duebook", "--help"]
main()
"""


@pytest.mark.parametrize("begin", [SERVICE, COMMAND_LINE])
def test_the_command_line_and_every_service_pin_the_rules_at_start(odd_machine: Path, begin: str) -> None:
    seen = "print('seen', zoneinfo.TZPATH, datetime(2026, 7, 1, 12).astimezone(ZoneInfo('Europe/Berlin')).hour)"
    program = (
        "import atexit, sys, zoneinfo; from datetime import datetime; from zoneinfo import ZoneInfo\n"
        f"atexit.register(lambda: {seen})\n{begin}"
    )
    environment = os.environ | {"PYTHONTZPATH": str(odd_machine), "TZ": "UTC"}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "seen () 14" in ended.stdout, ended.stderr
