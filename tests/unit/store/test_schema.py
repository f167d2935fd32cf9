"""Which schema a program works with."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from duebook_common.store.schema import SCHEMAS, mismatch


def test_the_program_knows_every_migration_and_is_written_for_the_last() -> None:
    config = Config()
    config.set_main_option("script_location", "libs/common/src/duebook_common/integrity/migrations")
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(revisions)) == SCHEMAS


def test_only_its_own_schema_and_what_says_so_fit() -> None:
    assert mismatch(SCHEMAS[-1], compatible=False) is None
    assert mismatch("0099_later", compatible=True) is None
    assert "does not know" in str(mismatch("0099_later", compatible=False))
