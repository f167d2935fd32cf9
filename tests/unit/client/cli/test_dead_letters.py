"""A dead letter as `duebook dead-letter show` prints it."""

import json
from typing import Any

import pytest

from duebook.cli import dead_letters, output
from duebook.cli.output import Format

DEAD: dict[str, Any] = {
    "event": "RunDeadLettered",
    "at": "2026-11-28T02:00:00Z",
    "actor": "executor:one/7",
    "failures": 4,
    "error": "disk\nfull " + "x" * 200,
    "dispatch": 3,
    "reason": None,
    "own_payload": None,
}
REDRIVEN: dict[str, Any] = {
    "event": "RunRedriven",
    "at": "2026-11-28T03:00:00Z",
    "actor": "key:ops",
    "reason": "more\ndisk",
    "own_payload": True,
}


def shown(capsys: pytest.CaptureFixture[str], *lineage: dict[str, Any]) -> list[str]:
    output.print_item({"lineage": [*lineage]}, Format.TABLE)
    return capsys.readouterr().out.splitlines()


def test_a_lineage_has_a_line_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = shown(capsys, DEAD, REDRIVEN, DEAD | {"failures": 1, "error": "late"})
    assert first.startswith("lineage  2026-11-28T02:00:00Z  dead-lettered after 4 failures: disk full xxx")
    assert first.endswith("x…")
    assert second == "         2026-11-28T03:00:00Z  redriven by key:ops with another payload: more disk"
    assert third == "         2026-11-28T02:00:00Z  dead-lettered after 1 failure: late"


def test_a_step_whose_texts_were_erased_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    dead, redriven = shown(capsys, DEAD | {"error": None}, REDRIVEN | {"reason": None, "own_payload": False})
    assert dead == "lineage  2026-11-28T02:00:00Z  dead-lettered after 4 failures"
    assert redriven == "         2026-11-28T03:00:00Z  redriven by key:ops"


def test_a_lineage_in_json_is_that_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_item({"lineage": [DEAD]}, Format.JSON)
    assert json.loads(capsys.readouterr().out) == {"lineage": [DEAD]}


def test_the_age_is_written_as_a_duration() -> None:
    dead = {"id": "a", "age": "PT3H2M1.123456S"}
    assert dead_letters.with_age_in_words(dead) == {"id": "a", "age": "3 h 2 min"}
