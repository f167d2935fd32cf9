"""Which metrics a service shows, before it has done anything."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from duebook_common.runtime import telemetry

SHOW = """
from prometheus_client import generate_latest
from duebook_common.runtime.telemetry import *
show_only_own_metrics("{service}")
print((generate_latest() + generate_latest(DEAD_LETTER_REGISTRY)).decode())
"""


PARENT = "executor-parent"  # it has no database, and shares the package of the executor


def files_of(service: str) -> list[Path]:
    """The code that runs in this service."""
    files = Path(f"services/{service.removesuffix('-parent')}").glob("src/**/*.py")
    return [file for file in files if ("processes" in file.parts) == (service == PARENT)]


@pytest.mark.parametrize("service", telemetry.MEASURED)
def test_the_metrics_of_a_service_are_those_that_its_code_names(service: str) -> None:
    trees = (ast.parse(path.read_text()) for path in files_of(service))
    imports = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    names = {alias.name for node in imports if node.module == telemetry.__name__ for alias in node.names}
    named = {getattr(telemetry, name) for name in names if name.isupper()}
    assert named | ({telemetry.CONFLICTS} if service != PARENT else set()) == telemetry.MEASURED[service]


def test_a_service_shows_no_metric_of_another() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", SHOW.format(service="notifier")], capture_output=True, text=True, check=True
    ).stdout
    assert "duebook_append_conflicts_total 0.0" in shown
    assert "duebook_overdue_jobs" not in shown
    assert "duebook_dead_letters" not in shown
    assert "duebook_relay_lag_events" not in shown
