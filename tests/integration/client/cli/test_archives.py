"""`duebook archive`, against a real database and a folder."""

from pathlib import Path

import pytest

from support.program import Program


@pytest.fixture
def archives(tmp_path: Path) -> dict[str, str]:
    return {"DUEBOOK_ARCHIVE_URL": str(tmp_path)}


def test_without_a_retention_or_a_target_it_says_what_to_set(duebook: Program, archives: dict[str, str]) -> None:
    for arguments, environment, says in (
        (("run",), archives, "set DUEBOOK_RETENTION"),
        (("run", "--older-than", "30d"), {}, "DUEBOOK_ARCHIVE_URL is missing"),
        (("verify",), {}, "DUEBOOK_ARCHIVE_URL is missing"),
    ):
        done = duebook("archive", *arguments, **environment)
        assert (done.exit_code, done.stdout) == (1, "")
        assert says in done.stderr


def test_what_is_not_old_enough_stays(duebook: Program, archives: dict[str, str], tmp_path: Path) -> None:
    done = duebook("archive", "run", "--older-than", "30d", "-o", "json", **archives)
    assert (done.exit_code, done.stdout.strip()) == (0, "[]")
    assert "periods archived: 0" in done.stderr
    assert duebook.data("archive", "list") == []
    checked = duebook("archive", "verify", **archives)
    assert (checked.exit_code, "checked 0 archives: no faults" in checked.stderr) == (0, True)
    missing = duebook("archive", "restore", "2026-01", **archives)
    assert (missing.exit_code, "there is no archive 2026-01" in missing.stderr) == (3, True)
