"""The command line without a server: usage errors, exit codes and what is said."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from duebook.cli.app import app
from duebook.cli.failures import Failure, NotFound, exit_code, explain
from duebook.cli.keys import issue
from duebook.client import ApiError, Fault, NotDuebook, Unreachable, Unsendable

ID = "01a2b3c4-0000-7000-8000-000000000000"
NOWHERE = "http://127.0.0.1:1"


def duebook(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"DUEBOOK_URL": NOWHERE, **environment})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["job", "create"], "name"),
        (["job", "create", "a", "--at", "tomorrow"], "tomorrow"),
        (["job", "create", "a", "--timeout", "5"], "--timeout"),
        (["job", "create", "a", "--payload", "{"], "--payload"),
        (["job", "create", "a", "-f", "/no/such/file"], "cannot read"),
        (["job", "create", "a", "--idempotency-key", "ü"], "ASCII"),
        (["job", "list", "--limit", "0"], "--limit"),
        (["job", "ledger", ID, "--from", "yesterday"], "yesterday"),
        (["job", "backfill", ID, "--from", "2d ago"], "--to"),
        (["job", "list", "-o", "yaml"], "yaml"),
        (["run", "watch", ID, "--interval", "often"], "often"),
        (["dead-letter", "redrive", ID], "--reason"),
        (["dead-letter", "redrive", "--reason", "r"], "--all"),
        (["dead-letter", "redrive", ID, "--all", "--reason", "r"], "--all"),
        (["dead-letter", "redrive", ID, "--dry-run", "--reason", "r"], "--dry-run"),
        (["dead-letter", "redrive", "--all", "--payload", "1", "--reason", "r"], "--payload"),
        (["schedule", "preview", "daily", "--at", "noon"], "noon"),
        (["schedule", "preview"], "RECURRENCE"),
        (["schedule", "forecast", "--from", "now", "--to", "in 1d"], "now"),
        (["key", "create", "--name", "a"], "--scope"),
        (["key", "create", "--name", "a", "--scope", "jobs"], "'jobs:read', 'jobs:write', 'runs:read'"),
        (["key", "create", "--name", "\n", "--scope", "*"], "--name"),
        (["key", "create", "--name", "a", "--scope", "*", "--expires", "soon"], "--expires"),
        (["key", "create", "--name", "a", "--scope", "*", "--expires", "0d"], "more than nothing"),
        (["key", "create", "--name", "a", "--scope", "*", "--expires", "99999999d"], "at most 36500d"),
        (["no-such-command"], "no-such-command"),
        (["verify"], "DUEBOOK_POSTGRES_URL is missing"),
    ],
)
def test_wrong_usage_ends_with_2_and_names_what_is_wrong(arguments: list[str], said: str) -> None:
    result = duebook(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_file_that_is_no_object_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps(["name"]))
    assert duebook("job", "create", "-f", str(tmp_path / "job.json")).exit_code == 2


@pytest.mark.parametrize("id_", ["nonsense", "../job", ""])
def test_what_is_no_id_is_not_found_without_asking(id_: str) -> None:
    result = duebook("job", "show", id_)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("duebook: there is no job")


def test_a_server_out_of_reach_is_one_line_with_the_url_and_its_variable() -> None:
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
    ("error", "code", "said"),
    [
        (ApiError(401, "unauthorized", "d"), 1, ["DUEBOOK_API_KEY is not set, and http://h wants a valid key"]),
        (ApiError(403, "scope_missing", "this needs jobs:read"), 1, ["this needs jobs:read"]),
        (ApiError(404, "not_found", "there is no job"), 3, ["there is no job"]),
        (ApiError(409, "wrong_status", "it is paused"), 1, ["it is paused"]),
        (
            ApiError(422, "invalid", "d", [Fault("/name", "too long"), Fault("", "odd")]),
            1,
            ["refused (invalid):", "  /name: too long", "  body: odd"],
        ),
        (Unreachable("refused"), 1, ["no answer from http://h (refused); DUEBOOK_URL names the server"]),
        (NotFound("there is none"), 3, ["there is none"]),
        (Failure("it broke"), 1, ["it broke"]),
    ],
)
def test_each_failure_has_its_words_and_its_code(error: Exception, code: int, said: list[str]) -> None:
    assert list(explain(error, {"DUEBOOK_URL": "http://h"})) == said
    assert exit_code(error) == code


@pytest.mark.parametrize("error", [NotDuebook("HTTP 200"), Unsendable("no URL")])
def test_a_wrong_server_is_a_hint_at_its_variable(error: Exception) -> None:
    assert "DUEBOOK_URL" in " ".join(explain(error, {}))


def test_a_refused_key_is_told_from_a_missing_one() -> None:
    refused = ApiError(401, "unauthorized", "d")
    assert "is refused" in next(explain(refused, {"DUEBOOK_API_KEY": "k"}))
    assert "is refused" in next(explain(refused, {"DUEBOOK_API_KEY_FILE": "f"}))


def test_of_a_key_only_the_hash_of_the_whole_is_kept() -> None:
    key, kept = issue("ab12", "secret")
    assert key == "sk_ab12_secret"
    assert kept == sha256(b"sk_ab12_secret").digest()
