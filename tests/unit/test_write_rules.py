"""Which module writes which table, and which appends events: read from the source of all packages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STORE = "duebook_common.store."
REBASE = "duebook_common.integrity.rebase_log"  # after a restore into another cluster
CONTENTS, DEPARTURE = STORE + "contents", STORE + "departure"  # what is erased, and what leaves for an archive
# "{" is a table that a statement takes as a parameter: `columns` makes most statements of `projections`.
WRITERS = {
    "events": {STORE + "append_statements", STORE + "new_jobs", CONTENTS, DEPARTURE, REBASE},
    "jobs": {STORE + name for name in ("projections", "new_jobs", "wakeups", "ledger_lines")} | {CONTENTS, DEPARTURE},
    "runs": {STORE + name for name in ("projections", "wakeups", "rate_wakeups", "queue_wakeups", "ledger_lines")}
    | {CONTENTS, DEPARTURE},
    "mails": {STORE + "mail_projection", CONTENTS, DEPARTURE},
    "ledger_lines": {STORE + "ledger_lines"},
    "archives": {STORE + "archive_handling"},
    "archive_erasures": {STORE + "archive_handling"},
    "archived_jobs": {STORE + "ledger_lines"},
    "archived_mails": {DEPARTURE},
    "queue_pauses": {STORE + "queue_pauses"},
    "mails_owed": {STORE + "mails_owed"},
    "mail_budgets": {STORE + "mail_budgets"},
    "notifier_settings": {STORE + "mails_owed"},
    "bulk_operations": {STORE + "bulk_rows"},
    "bulk_progress": {STORE + "bulk_rows"},
    "statistics": {STORE + "statistics"},
    "rate_starts": {STORE + "rate_starts"},
    "leases": {"duebook_executor.queries"},
    "log_lines": {"duebook_executor.note_queries", CONTENTS, DEPARTURE, REBASE},
    "progress": {"duebook_executor.note_queries", STORE + "run_notes"},
    "task_checkpoints": {"duebook_executor.note_queries", STORE + "run_notes"},
    "tasks": {"duebook_executor.registration"},
    "executors": {STORE + "executors"},
    "services": {STORE + "services"},
    "queues": {STORE + "queues"},
    "day_lines": {STORE + "day_lines"},
    "departed_acts": {STORE + "departed_acts"},
    "departed_days": {STORE + "day_lines"},
    "day_claims": {STORE + "day_lines"},
    "erasures": {STORE + "erasure", CONTENTS},
    "checkpoints": {STORE + "checkpoints", REBASE},
    "keys": {STORE + "key_handling"},
    "sessions": {"duebook_api.access.sessions"},
    "periods": {DEPARTURE, REBASE},  # and `open_period` and `drop_period` of the schema
    "schema_programs": set(),  # migrations write it
    "{": {STORE + "columns", "duebook_common.archives.restore"},
}
APPENDING: dict[str, set[str]] = {
    STORE + "eventstore.append": {STORE + f"{name}_handling" for name in ("archive", "bulk", "key", "mail", "queue")},
    STORE + "eventstore.append_each": {STORE + "job_handling"},
    STORE + "eventstore.append_arguments": {STORE + "projections"},
    STORE + "eventstore.next_arguments": {STORE + "projections"},
    STORE + "append_statements": {STORE + "eventstore", STORE + "projections"},
    STORE + "columns.insert": set(),
    STORE + "columns.inserts": {STORE + "projections"},
    STORE + "columns.update": {STORE + "projections"},
    STORE + "columns.updates": {STORE + "projections"},
    STORE + "new_jobs": {STORE + "job_handling"},
    STORE + "projections": {STORE + "job_handling", STORE + "run_handling", "duebook_common.integrity.rebuild"},
}
_WRITE = re.compile(r"(?:INSERT INTO|(?<!FOR )(?<!DO )UPDATE|DELETE FROM|TRUNCATE|MERGE INTO|COPY)\s+(\w+|\{)")


def modules() -> Iterator[tuple[str, str]]:
    """The name and the source of each module that is delivered, without the migrations, which make the tables."""
    for source in sorted(ROOT.glob("*/*/src")):
        for path in sorted(source.rglob("*.py")):
            name = ".".join(path.relative_to(source).with_suffix("").parts)
            if ".migrations." not in name:
                yield name, path.read_text(encoding="utf-8")


def written(source: str) -> set[str]:
    """The tables that SQL in the source writes."""
    texts = [_text(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant | ast.JoinedStr)]
    return {table for text in texts for table in _WRITE.findall(text)} & WRITERS.keys()


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) if isinstance(value, ast.Constant) else "{}" for value in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def imported(source: str) -> set[str]:
    """The names of APPENDING that the source imports: by name, in their module, or with a part of them."""
    names = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}." for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {f"{alias.name}." for alias in node.names}
    return {key for key in APPENDING for name in names if f"{key}.".startswith(name) or name.startswith(f"{key}.")}


def test_each_table_is_written_by_its_own_modules_only() -> None:
    found: dict[str, set[str]] = {table: set() for table in WRITERS}
    for name, source in modules():
        for table in written(source):
            found[table].add(name)
    assert found == WRITERS


def test_only_the_store_appends_and_only_rebuild_else_projects() -> None:
    found: dict[str, set[str]] = {name: set() for name in APPENDING}
    for name, source in modules():
        for target in imported(source):
            found[target].add(name)
    assert found == APPENDING


def test_every_table_has_its_writers_named() -> None:
    parts = ROOT.glob("libs/common/src/duebook_common/integrity/migrations/schema/*.sql")
    tables = [name for part in parts for name in re.findall(r"CREATE TABLE (\w+)", part.read_text(encoding="utf-8"))]
    assert sorted(tables) == sorted(WRITERS.keys() - {"{"})


@pytest.mark.parametrize(
    ("source", "tables"),
    [
        ('await db.execute("UPDATE runs SET wake_at = NULL")', {"runs"}),
        ('_SQL = """\nWITH x AS (\n    DELETE FROM\n    jobs RETURNING 1)\nSELECT"""', {"jobs"}),
        ('f"INSERT INTO events ({columns}) SELECT"', {"events"}),
        ('f"INSERT INTO {table} VALUES ($1)"', {"{"}),
        ('"TRUNCATE events"', {"events"}),
        ('"SELECT run_id FROM runs FOR UPDATE OF runs"', set()),
        ('"INSERT INTO keys VALUES ($1) ON CONFLICT DO UPDATE SET name = $1"', {"keys"}),
    ],
)
def test_an_offender_is_found(source: str, tables: set[str]) -> None:
    assert written(source) == tables


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from duebook_common.store.eventstore import append, read", "eventstore.append"),
        ("from duebook_common.store import eventstore", "eventstore.append"),
        ("from duebook_common.store import projections as p", "projections"),
        ("import duebook_common.store.projections", "projections"),
        ("def f():\n    from duebook_common.store.projections import update_runs", "projections"),
    ],
)
def test_an_import_is_found_in_each_form(source: str, name: str) -> None:
    assert STORE + name in imported(source)
    assert not imported("from duebook_common.store.eventstore import RecordedEvent, read")
