"""The whole schema: the log, the read models and the operational tables, with the question that each index answers.

Its parts are the files of `schema`. ARCHITECTURE.md, "Invariants", says what the CHECKs and triggers keep.
"""

from importlib.resources import files

from alembic import op

revision = "0001_baseline"
down_revision = None

# In the order in which they refer to each other: the periods have the triggers of all partitions.
_PARTS = (
    *("log", "erasure", "jobs", "runs", "mails", "statistics", "queues", "rates", "bulk", "archives", "operational"),
    *("periods", "views"),
)
# By default a table is vacuumed once a fifth of its rows is dead, or new: of a hundred million that is far too late.
# The limit is twice the default: with five times, the vacuums of a minute take a core for seconds, and runs are late.
_CHANGED = """
autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 400
"""
_TABLES_CHANGED = (
    *("jobs", "runs", "mails", "mails_owed", "mail_budgets", "statistics", "rate_starts", "bulk_progress"),
    *("leases", "progress", "task_checkpoints", "checkpoints", "executors", "services"),
)
_NO_STATISTICS_OF_JSON = """
SELECT no_statistics_of_json(oid::regclass) FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = current_schema::regnamespace
"""


def upgrade() -> None:
    schema = files("duebook_common.integrity") / "migrations" / "schema"
    for part in _PARTS:
        sql = (schema / f"{part}.sql").read_text(encoding="utf-8")
        for statement in sql.split(";\n\n"):  # the driver prepares one statement at a time
            op.execute(statement)
    for table in _TABLES_CHANGED:
        op.execute(f"ALTER TABLE {table} SET ({_CHANGED})")
    op.execute(_NO_STATISTICS_OF_JSON)
