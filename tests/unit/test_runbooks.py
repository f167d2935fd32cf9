"""Every command, metric and variable in a runbook exists."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from prometheus_client import REGISTRY
from typer.core import TyperGroup

from duebook.cli.app import app
from duebook_common.runtime.telemetry import DEAD_LETTER_REGISTRY

ROOT = Path(__file__).parents[2]
RUNBOOKS = sorted((ROOT / "deploy/runbooks").glob("*.md"))
every_runbook = pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)


def parse(words: list[str]) -> None:
    """Parse a command: without arguments only its name, with arguments completely. Raises if it is wrong."""
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    if words:
        command.make_context(command.name, words)


@every_runbook
def test_a_command_in_a_runbook_is_valid(path: Path) -> None:
    for command in re.findall(r"`duebook ([^`]+)`", path.read_text()):
        parse(shlex.split(command))


@every_runbook
def test_a_metric_or_variable_in_a_runbook_exists(path: Path) -> None:
    text = path.read_text()
    metrics = {
        f"{metric.name}{end}"
        for base in (REGISTRY, DEAD_LETTER_REGISTRY)
        for metric in base.collect()
        for end in ("", "_total")
    }
    assert set(re.findall(r"\bduebook_[a-z_]+", text)) <= metrics
    assert set(re.findall(r"\bDUEBOOK_[A-Z_]+", text)) <= set(re.findall(r"\w+", (ROOT / ".env.example").read_text()))
