"""Commands that connect to the database themselves: the URL and its errors."""

from pathlib import Path

import asyncpg
import pytest

from support.program import Program


def test_a_database_without_the_schema_is_reported_with_migrate(empty_postgres_url: str) -> None:
    offline = Program({"DUEBOOK_POSTGRES_URL": empty_postgres_url})
    for command in (["verify"], ["rebuild"], ["key", "list"]):
        refused = offline(*command)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "run: duebook migrate" in refused.stderr
    assert offline("migrate").exit_code == 0
    assert offline("verify").exit_code == 0


def test_the_url_may_be_in_a_file(offline: Program, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(offline.environment["DUEBOOK_POSTGRES_URL"] + "\n")
    environment = {"DUEBOOK_POSTGRES_URL": "", "DUEBOOK_POSTGRES_URL_FILE": str(tmp_path / "url")}
    assert offline("key", "list", **environment).exit_code == 0
    assert offline("migrate", **environment).exit_code == 0


async def test_a_schema_of_an_unknown_version_is_refused_in_one_line(offline: Program) -> None:
    db = await asyncpg.connect(offline.environment["DUEBOOK_POSTGRES_URL"])
    await db.execute("UPDATE alembic_version SET version_num = '9999'")
    await db.close()
    refused = offline("migrate")
    assert refused.exit_code == 1
    assert "9999" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "code"), [("postgresql://u:secret@127.0.0.1:1/d", 1), ("postgresql://u:secret@127.0.0.1:port/d", 2)]
)
def test_an_unreachable_database_is_one_line_without_the_password(url: str, code: int) -> None:
    for command in (["verify"], ["rebuild"], ["migrate", "--wait", "0s"], ["key", "list"]):
        refused = Program({"DUEBOOK_POSTGRES_URL": url})(*command)
        assert refused.exit_code == code
        assert "DUEBOOK_POSTGRES_URL" in refused.stderr
        assert "secret" not in refused.stderr
        assert refused.stderr.count("\n") == 1
