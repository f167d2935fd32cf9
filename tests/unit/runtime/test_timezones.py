"""Which rules of time zones a process goes by."""

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
def strange_machine(tmp_path: Path) -> Iterator[Path]:
    """A directory of zones in which Berlin has Tokyo's clock, as `PYTHONTZPATH` or a machine may name it."""
    (tmp_path / "Europe").mkdir()
    tokyo = Path(tzdata.__path__[0]) / "zoneinfo/Asia/Tokyo"
    (tmp_path / "Europe/Berlin").write_bytes(tokyo.read_bytes())
    yield tmp_path
    timezones.pin()


def offset() -> float:
    passed = SUMMER.astimezone(zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset()
    assert passed is not None
    return passed.total_seconds() / HOURS


def test_the_package_rules_whatever_the_machine_has(strange_machine: Path) -> None:
    zoneinfo.reset_tzpath(to=[str(strange_machine)])
    zoneinfo.ZoneInfo.clear_cache()
    assert offset() == 9
    timezones.pin()
    assert offset() == 2


def test_the_version_is_that_of_the_database_and_not_of_the_package() -> None:
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
def test_the_command_line_and_every_service_begin_by_pinning(strange_machine: Path, begin: str) -> None:
    seen = "print('seen', zoneinfo.TZPATH, datetime(2026, 7, 1, 12).astimezone(ZoneInfo('Europe/Berlin')).hour)"
    program = (
        "import atexit, sys, zoneinfo; from datetime import datetime; from zoneinfo import ZoneInfo\n"
        f"atexit.register(lambda: {seen})\n{begin}"
    )
    environment = os.environ | {"PYTHONTZPATH": str(strange_machine), "TZ": "UTC"}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "seen () 14" in ended.stdout, ended.stderr
