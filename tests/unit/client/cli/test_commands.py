"""The command line without a server: usage errors, exit codes and messages."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner, Result

from duebook.cli import values
from duebook.cli.app import app
from duebook.cli.failures import Failure, NotFound, exit_code, explain
from duebook.client import ApiError, Fault, InvalidRequest, NotDuebook, Unreachable
from duebook_api.runs import run_list
from duebook_common.domain import definition
from duebook_common.domain.bulk.events import BulkAction
from duebook_common.domain.bulk.state import BulkStatus
from duebook_common.domain.job.state import JobStatus
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.state import RunStatus
from duebook_common.runtime.api_keys import make_key

ID = "01a2b3c4-0000-7000-8000-000000000000"
NOWHERE = "http://127.0.0.1:1"


def duebook(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"DUEBOOK_URL": NOWHERE, **environment})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["job", "create"], "name"),
        (["job", "create", "a", "--at", "tomorrow"], "tomorrow"),
        (["job", "create", "a", "--timeout", "5"], "--timeout"),
        (["job", "create", "a", "--payload", "{"], "--payload"),
        (["job", "create", "a", "-f", "/no/such/file"], "cannot read"),
        (["job", "create", "a", "--idempotency-key", "ü"], "ASCII"),
        (["job", "list", "--limit", "0"], "--limit"),
        (["job", "ledger", ID, "--from", "yesterday"], "yesterday"),
        (["job", "backfill", ID, "--to", "soon"], "--to"),
        (["job", "update", ID], "--file"),
        (["job", "create", "a", "--overlap", "queue"], "'terminate_other'"),
        (["job", "list", "--status", "dead"], "'finished'"),
        (["run", "list", "--status", "dead"], "'dead_lettered'"),
        (["job", "list", "-o", "yaml"], "yaml"),
        (["run", "watch", ID, "--interval", "often"], "often"),
        (["dead-letter", "redrive", ID], "--reason"),
        (["dead-letter", "redrive", "--reason", "r"], "--all"),
        (["dead-letter", "redrive", ID, "--all", "--reason", "r"], "--all"),
        (["dead-letter", "redrive", ID, "--dry-run", "--reason", "r"], "--dry-run"),
        (["dead-letter", "redrive", "--all", "--payload", "1", "--reason", "r"], "--payload"),
        (["bulk", "cancel", "--tag", "x"], "--reason"),
        (["bulk", "cancel", "--reason", "r"], "--all"),
        (["bulk", "cancel", "--all", "--tag", "x", "--reason", "r"], "--all"),
        (["bulk", "cancel", "--due-from", "soon", "--reason", "r"], "--due-from"),
        (["bulk", "pause", "--all", "--reason", "r", "--interval", "often"], "often"),
        (["schedule", "preview", "daily", "--at", "noon"], "noon"),
        (["schedule", "preview"], "RECURRENCE"),
        (["schedule", "preview", "cron", "30", "2", "*", "*", "*"], "into quotes, like 'cron 30 2 * * *'"),
        (["job", "create", "a", "--recurrence", "30", "2", "*", "*", "*"], "into quotes, like 'cron 30 2 * * *'"),
        (["job", "create", "a", "--recurrence", "30 2 * * *"], "write 'cron 30 2 * * *'"),
        (["schedule", "preview", "30 2 * * *"], "'cron 30 2 * * *'"),
        (["job", "create", "a", "--recurrence", "30 2 * * *"], "'cron 30 2 * * *'"),
        (["job", "create", "a", "--recurrence", "hourly"], "'every PT1H'"),
        (["schedule", "forecast", "--from", "now", "--to", "in 1d"], "now"),
        (["key", "create", "--name", "a"], "--scope"),
        (["key", "create", "--name", "a", "--scope", "jobs"], "'jobs:read', 'jobs:write', 'runs:read'"),
        (["key", "create", "--name", "\n", "--scope", "*"], "--name"),
        (["key", "create", "--name", "a", "--scope", "*", "--expires", "soon"], "--expires"),
        (["key", "create", "--name", "a", "--scope", "*", "--expires", "0d"], "more than 0s"),
        (["key", "create", "--name", "a", "--scope", "*", "--expires", "99999999d"], "at most 36500d"),
        (["no-such-command"], "no-such-command"),
        (["verify"], "DUEBOOK_POSTGRES_URL is missing"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_the_option(arguments: list[str], message: str) -> None:
    result = duebook(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_file_without_an_object_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps(["name"]))
    assert duebook("job", "create", "-f", str(tmp_path / "job.json")).exit_code == 2


@pytest.mark.parametrize(("noun", "id_"), [("run", "nonsense"), ("run", "../job"), ("run", ""), ("job", "")])
def test_an_invalid_id_is_not_found_without_a_request(noun: str, id_: str) -> None:
    result = duebook(noun, "show", id_)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"duebook: there is no {noun}")


def test_the_version_is_data() -> None:
    result = duebook("--version")
    assert (result.exit_code, result.stdout) == (0, f"duebook {version('duebook')}\n")


def test_the_values_of_options_are_those_of_the_domain() -> None:
    assert [*values.Overlap] == [*definition.Overlap]
    assert [*values.RunStatus] == [*RunStatus]
    assert [*values.JobStatus] == [*JobStatus]
    assert [*values.Outcome] == [*get_args(definition.Outcome)]
    assert [*values.Trigger] == [*Trigger]
    assert [*values.BulkAction] == [*BulkAction]
    assert [*values.BulkStatus] == [*BulkStatus]
    assert sorted(values.RunSort) == sorted(get_args(run_list.Sort))
    hints = get_type_hints(definition.Dst) | get_type_hints(definition.CatchUp)
    for name, options in (("gap", values.Gap), ("fold", values.Fold), ("policy", values.CatchUp)):
        assert [*options] == [*get_args(hints[name])]


def leaves(group: TyperGroup, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from leaves(command, *path, name)
        else:
            yield (*path, name)


def test_every_command_but_those_without_data_takes_an_output_format() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for path in leaves(group):
        assert ("--output" in duebook(*path, "--help").stdout) == (path != ("dev",)), path


def test_every_command_is_run_by_a_test_on_real_servers() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    tests = Path(__file__).parents[3]
    files = [
        *(tests / "integration/client").rglob("*.py"),
        *(tests / "e2e").rglob("*.py"),
        tests / "support/program.py",
    ]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    for path in leaves(group):
        assert re.search(", ".join(f'"{word}"' for word in path), text), path


@pytest.mark.parametrize("command", [["job", "list"], ["run", "show", ID], ["job", "pause", "a name"], ["--help"]])
def test_a_call_of_the_api_imports_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    program = f"import sys; sys.argv[1:] = {command!r}\nfrom duebook.__main__ import main\ntry: main()\n"
    program += "finally: print('loaded', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"DUEBOOK_URL": NOWHERE},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = set(done.stdout.rpartition("loaded ")[2].split())
    assert "duebook.cli.app" in loaded, done.stderr
    assert loaded & {"pydantic", "rich.console", "httpx2", "asyncio", "asyncpg", "yaml", "importlib.metadata"} == set()


def test_an_unreachable_server_is_one_line_with_the_url_and_its_variable() -> None:
    result = duebook("job", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert NOWHERE in result.stderr
    assert "DUEBOOK_URL" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_key_file_that_cannot_be_read_is_named() -> None:
    result = duebook("job", "list", DUEBOOK_API_KEY_FILE="/no/such/file")
    assert result.exit_code == 1
    assert "DUEBOOK_API_KEY_FILE" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (
            ApiError(401, "unauthorized", "d"),
            1,
            ["http://h requires a key; set DUEBOOK_API_KEY, or make a key with `duebook key create`"],
        ),
        (ApiError(403, "scope_missing", "this needs jobs:read"), 1, ["this needs jobs:read"]),
        (ApiError(404, "not_found", "there is no job"), 3, ["there is no job"]),
        (ApiError(409, "wrong_status", "it is paused"), 1, ["it is paused"]),
        (
            ApiError(422, "invalid", "d", [Fault("/name", "too long"), Fault("", "odd")]),
            1,
            ["refused (invalid):", "  /name: too long", "  body: odd"],
        ),
        (
            Unreachable("no answer from http://h: refused"),
            1,
            ["no answer from http://h: refused; is the api running, and is DUEBOOK_URL right?"],
        ),
        (
            ApiError(404, "not_found", "there is no queue 'x'; GET /api/queue lists all"),
            3,
            ["there is no queue 'x'; `duebook queue list` lists all"],
        ),
        (ApiError(410, "archived", "it has left"), 3, ["it has left"]),
        (NotFound("there is none"), 3, ["there is none"]),
        (Failure("it broke"), 1, ["it broke"]),
    ],
)
def test_each_failure_has_its_message_and_exit_code(error: Exception, code: int, lines: list[str]) -> None:
    assert list(explain(error, {"DUEBOOK_URL": "http://h"})) == lines
    assert exit_code(error) == code


@pytest.mark.parametrize("error", [NotDuebook("HTTP 200"), InvalidRequest("no URL")])
def test_a_wrong_server_is_reported_with_its_variable(error: Exception) -> None:
    assert "DUEBOOK_URL" in " ".join(explain(error, {}))


def test_without_a_url_the_message_names_the_file_that_is_not_there() -> None:
    [line] = explain(Unreachable("no answer from http://127.0.0.1:8000: refused"), {})
    assert line.startswith("no answer from http://127.0.0.1:8000: refused; DUEBOOK_URL is not set, and this directory")
    assert ".duebook/env: run `duebook` where `make up` runs, or set DUEBOOK_URL" in line


def test_no_message_shows_the_user_and_password_of_a_url() -> None:
    for error in (NotDuebook("HTTP 200"), ApiError(401, "unauthorized", "d")):
        [line] = explain(error, {"DUEBOOK_URL": "https://user:secret@h/base"})
        assert "https://h" in line
        assert "secret" not in line


def test_lists_of_commands_have_whole_sentences() -> None:
    for group in ([], ["job"], ["run"]):
        shown = CliRunner().invoke(app, [*group, "--help"], env={"COLUMNS": "80"}).stdout
        assert "..." not in shown.replace("[ARGS]...", "")


def test_a_wrong_choice_is_refused_in_plain_words() -> None:
    stderr = duebook("job", "list", "--status", "x").stderr
    assert "Invalid value for '--status': 'x' is not one of 'active'" in stderr


def test_the_help_says_where_the_api_is_found() -> None:
    shown = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    assert "DUEBOOK_URL and DUEBOOK_API_KEY, or those of the file .duebook/env" in shown


def test_a_refused_key_has_another_message_than_a_missing_one() -> None:
    error = ApiError(401, "unauthorized", "d")
    assert "refused the key" in next(explain(error, {"DUEBOOK_API_KEY": "k"}))
    assert "refused the key" in next(explain(error, {"DUEBOOK_API_KEY_FILE": "f"}))


def test_only_the_hash_of_the_whole_key_is_stored() -> None:
    key, stored = make_key("ab12", "secret")
    assert key == "sk_ab12_secret"
    assert stored == sha256(b"sk_ab12_secret").digest()
