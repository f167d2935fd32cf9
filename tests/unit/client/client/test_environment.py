"""The file that `make up` writes, as commands read it."""

import stat
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from duebook.cli.app import app
from duebook.client.environment import environment
from duebook_devstack import environment_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".duebook").mkdir()
    written = {"DUEBOOK_URL": "http://127.0.0.1:1", "DUEBOOK_API_KEY": 'it\'s a "key" $HOME', "DUEBOOK_SMTP_URL": ""}
    return environment_file.write(tmp_path / ".duebook", written)


def test_a_command_reads_what_make_up_wrote(file: Path) -> None:
    assert environment()["DUEBOOK_URL"] == "http://127.0.0.1:1"
    assert environment()["DUEBOOK_API_KEY"] == 'it\'s a "key" $HOME'
    assert "DUEBOOK_SMTP_URL" not in environment()
    assert "http://127.0.0.1:1" in CliRunner().invoke(app, ["job", "list"]).stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUEBOOK_URL", "http://elsewhere")
    monkeypatch.setenv("DUEBOOK_API_KEY_FILE", str(file))
    assert environment()["DUEBOOK_URL"] == "http://elsewhere"
    assert "DUEBOOK_API_KEY" not in environment()
    monkeypatch.setenv("DUEBOOK_URL", "")
    assert environment()["DUEBOOK_URL"] == "http://127.0.0.1:1"


def test_a_file_says_nothing_of_another_installation(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment_file.write(file.parent, {"DUEBOOK_URL": "http://127.0.0.1:1", "DUEBOOK_API_KEY": "sk_of_the_file"})
    monkeypatch.setenv("DUEBOOK_URL", "http://127.0.0.1:1")
    assert environment()["DUEBOOK_API_KEY"] == "sk_of_the_file"
    monkeypatch.setenv("DUEBOOK_URL", "http://127.0.0.1:2")
    assert "DUEBOOK_API_KEY" not in environment()


@pytest.mark.parametrize("text", ["", "PATH=/tmp\n# a comment\nexport X=1\n", "DUEBOOK_URL='", "DUEBOOK_URL", "\x00"])
def test_an_odd_file_does_no_harm(file: Path, text: str) -> None:
    path = environment().get("PATH")
    file.write_text(text)
    assert environment().get("PATH") == path
    assert isinstance(CliRunner().invoke(app, ["run", "show", "no id"]).exception, SystemExit)


def test_the_database_is_found_by_the_file_too(tmp_path: Path) -> None:
    (tmp_path / ".duebook").mkdir()
    url = "postgresql://u:secret@127.0.0.1:1/d"
    environment_file.write(tmp_path / ".duebook", {"DUEBOOK_POSTGRES_URL": url})
    refused = CliRunner().invoke(app, ["key", "list"])
    assert refused.exit_code == 1
    assert "the database of DUEBOOK_POSTGRES_URL: " in refused.stderr


def test_a_key_is_not_sent_to_another_machine_that_a_file_names(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUEBOOK_API_KEY", "sk_mine")
    for url in ("https://evil.example", "http://127.0.0.1.evil.example", "http://[", "nonsense"):
        environment_file.write(file.parent, {"DUEBOOK_URL": url, "DUEBOOK_SMTP_URL": "smtp://127.0.0.1:1"})
        assert "DUEBOOK_URL" not in environment()
        assert "DUEBOOK_SMTP_URL" in environment()


def test_what_a_shell_reads_is_what_was_written(file: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'set -a; . "$1"; printf %s "$DUEBOOK_API_KEY"', "sh", file],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == environment()["DUEBOOK_API_KEY"]
