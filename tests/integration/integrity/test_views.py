"""The views for reports answer what the API answers, and their reader can do nothing else."""

import asyncio
import re
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from duebook_common.domain.definition import CatchUp
from duebook_common.domain.run.commands import CancelRun, DiscardRun, FailAttempt, ReleaseAttempt, Succeed
from duebook_common.integrity.migrate import migrate
from duebook_common.store.database import Pool, connect
from duebook_common.store.erasure import erase_runs
from duebook_common.store.eventstore import tail
from duebook_common.store.job_handling import handle_job
from duebook_devstack.postgres import Postgres
from support import counting
from support.api_app import Api, running_api
from support.bookkeeping import ACTOR, NOW, created, dispatch, dispatched, do, past_horizon, start, started
from support.contents import read_the_log
from support.documents import ROOT
from support.page_commands import PageCommands, superuser_of
from support.samples import DAY, MINUTE

PAGE = "reference/sql-views.md"
_COLUMNS = """
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'duebook_bi'
ORDER BY table_name, ordinal_position
"""
_VALUES = {"uuid": "'01a218f6-cf4d-72cb-8988-eac87f8c671c'", "text": "'x'", "timestamp with time zone": "now()"}
_IN_TABLE = {"run_created_at": "created_at", "by": "dimension"}
_OF_LOG = {"completed": "succeeded", "failed": "failed", "released": "released", "cancelled": "cancelled"}


@pytest.fixture
async def api(postgres_url: str) -> Any:
    """An api whose runs have ended in every way, with days that were skipped, and one of them backfilled."""
    async with running_api(postgres_url) as api:
        await history(api.deps.pool)
        await api.json(202, "POST", f"/api/job/{await a_series(api.deps.pool)}/backfill", SECOND_DAY)
        yield api


SECOND_DAY = {"from": (NOW + DAY).isoformat(), "to": (NOW + 2 * DAY).isoformat()}


async def history(pool: Pool) -> None:
    for queue in ("a", "b"):
        await do(pool, await started(pool, queue=queue, tags=("x",)), Succeed(1, {"secret": 1}, NOW + MINUTE))
        await do(pool, await started(pool, queue=queue), FailAttempt(1, "boom", NOW + MINUTE, 0.5, retry=False))
        await do(pool, await started(pool, queue=queue), FailAttempt(1, "again", NOW + MINUTE, 0.5))
        await do(pool, await started(pool, queue=queue), ReleaseAttempt(1, NOW + MINUTE))
        await do(pool, await dispatched(pool, queue=queue), CancelRun("obsolete", NOW))
        await started(pool, queue=queue, key=f"key-{queue}")


async def a_series(pool: Pool) -> UUID:
    job_id = await created(pool, recurrence="daily", catch_up=CatchUp("latest"))
    for days in (0, 3, 4):
        result = await handle_job(pool, job_id, dispatch(NOW + days * DAY), ACTOR)
        assert result is not None
        for run in result.runs:
            await do(pool, run, start(run, NOW + days * DAY))
            await do(pool, run, Succeed(1, None, NOW + days * DAY + MINUTE))
    return job_id


async def view(pool: Pool, name: str, condition: str = "true") -> list[dict[str, Any]]:
    return [dict(row) for row in await pool.fetch(f"SELECT * FROM duebook_bi.{name} WHERE {condition}")]


def alike(row: dict[str, Any], answer: dict[str, Any], **names: str) -> None:
    """Each column that the answer has too, or has by another name, has the same value there."""
    both = {column: names.get(column, column) for column in row if names.get(column, column) in answer}
    assert len(both) >= 5
    assert {column: _plain(row[column]) for column in both} == {c: _plain(answer[name]) for c, name in both.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        return datetime.fromisoformat(value)
    return str(value) if isinstance(value, UUID) else value


async def test_jobs_runs_and_dead_letters_equal_those_of_the_api(api: Api) -> None:
    pool = api.deps.pool
    await pool.execute("UPDATE jobs SET wake_at = wake_at + interval '1 h'")  # as where a scheduler postpones it
    for name, path, key in (
        ("jobs", "/api/job", "job_id"),
        ("runs", "/api/run", "run_id"),
        ("dead_letters", "/api/dead-letter", "run_id"),
    ):
        rows = {str(row[key]): row for row in await view(pool, name)}
        answers = {item["id"]: item for item in await api.pages(path, 200)}
        assert rows.keys() == answers.keys(), name
        assert len(rows) > 1
        for id_, row in rows.items():
            alike(row, answers[id_], **{key: "id"})


async def test_a_decision_after_the_last_attempt_does_not_lengthen_it(pool: Pool) -> None:
    for decide in (DiscardRun("obsolete", NOW + DAY), CancelRun("obsolete", NOW + DAY)):
        retry = isinstance(decide, CancelRun)
        run = await started(pool)
        await do(pool, run, FailAttempt(1, "boom", NOW + MINUTE, 0.5, retry=retry))
        [row] = await view(pool, "runs", f"run_id = '{run.id}'")
        assert row["last_attempt_took"] == MINUTE
        await do(pool, run, decide)
        [row] = await view(pool, "runs", f"run_id = '{run.id}'")
        assert (row["finished_at"], row["last_attempt_took"]) == (NOW + DAY, None)


async def test_the_views_show_no_error_of_an_erased_run(pool: Pool) -> None:
    run = await started(pool)
    await do(pool, run, FailAttempt(1, "a secret", NOW + MINUTE, 0.5, retry=False))
    await do(pool, run, DiscardRun("obsolete", NOW + MINUTE))
    await read_the_log(pool)
    await pool.execute("DELETE FROM mails_owed")
    erased = await erase_runs(pool, [run.id], None, NOW + DAY, ACTOR)
    assert erased[run.id].error is None
    [row] = await view(pool, "runs")
    assert (row["status"], row["error"], row["fingerprint"]) == ("discarded", None, None)
    [attempt] = await view(pool, "attempts")
    assert (attempt["outcome"], attempt["error"], attempt["took"]) == ("failed", None, MINUTE)


async def test_attempts_equal_those_of_the_job_log(api: Api) -> None:
    rows = {(str(row["run_id"]), row["attempt"]): row for row in await view(api.deps.pool, "attempts")}
    log = await api.pages("/api/job-log", 200)
    assert rows.keys() == {(each["run_id"], each["attempt"]) for each in log if each["status"] == "started"}
    ends = {(e["run_id"], e["attempt"]): _OF_LOG[e["status"]] for e in log if e["status"] in _OF_LOG and e["attempt"]}
    assert {key: row["outcome"] for key, row in rows.items() if row["outcome"] != "running"} == ends
    assert {row["outcome"] for row in rows.values()} == {"running", "succeeded", "failed", "released"}
    assert {row["error"] for row in rows.values() if row["outcome"] == "failed"} == {"boom", "again"}
    assert all(row["took"] == MINUTE for row in rows.values() if row["outcome"] == "succeeded")


async def test_occurrences_and_skipped_ranges_make_the_ledger(api: Api) -> None:
    pool = api.deps.pool
    [job_id] = [row["job_id"] for row in await view(pool, "jobs", "recurrence = 'daily'")]
    end = (NOW + 5 * DAY).isoformat()
    ledger = (await api.http.get(f"/api/job/{job_id}/ledger", params={"to": end})).json()
    assert [entry["outcome"] for entry in ledger["items"]] == ["succeeded", "dispatched", "skipped", *["succeeded"] * 2]
    rows = {row["nominal_at"]: row for row in await view(pool, "occurrences", f"job_id = '{job_id}'")}
    recorded = {datetime.fromisoformat(e["nominal_at"]): e for e in ledger["items"] if e["run_id"] is not None}
    assert {at: (row["outcome"], str(row["run_id"])) for at, row in rows.items()} == {
        at: (entry["outcome"], entry["run_id"]) for at, entry in recorded.items()
    }
    [skipped] = await view(pool, "skipped", f"job_id = '{job_id}'")
    assert (skipped["first_nominal_at"], skipped["last_nominal_at"]) == (NOW + DAY, NOW + 2 * DAY)
    assert (skipped["occurrences"], skipped["reason"]) == (2, "missed")


async def test_daily_outcomes_equal_the_statistics_of_the_api(api: Api) -> None:
    pool = api.deps.pool
    await counting.count_all(pool)
    rows = await view(pool, "daily_outcomes", "by = 'queue'")
    start_of = min(row["day"] for row in rows).isoformat() + "T00:00:00Z"
    items = (await api.json(200, "GET", f"/api/stats?step=P1D&by=queue&from={start_of}"))["items"]
    answers = {(date.fromisoformat(item["at"][:10]), item["key"]): item for item in items}
    assert {(row["day"], row["name"]) for row in rows} == answers.keys()
    for row in rows:
        counts = answers[row["day"], row["name"]]["counts"]
        assert {name: row["failed_attempts" if name == "failed" else name] for name in counts} == counts


async def test_each_column_in_bold_is_found_by_an_index(pool: Pool) -> None:
    sections = re.split(r"^## `(\w+)`$", (ROOT / "docs" / PAGE).read_text(encoding="utf-8"), flags=re.MULTILINE)
    bold = [
        (name, column)
        for name, text in zip(sections[1::2], sections[2::2], strict=True)
        for column in re.findall(r"\*\*`(\w+)`\*\*", text)
    ]
    assert len(bold) > 10
    async with pool.acquire() as db, db.transaction():
        await db.execute("SET LOCAL enable_seqscan = off")  # the tables are empty
        kinds = {(row["table_name"], row["column_name"]): row["data_type"] for row in await db.fetch(_COLUMNS)}
        for name, column in bold:
            value = _VALUES[kinds[name, column]]
            plan = await db.fetch(f"EXPLAIN SELECT * FROM duebook_bi.{name} WHERE {column} = {value}")
            # An index that has dead letters alone will do for the few of an empty table.
            found = rf"Index Cond: .*\b{_IN_TABLE.get(column, column)} = |using runs_(failed_alike|dead_by_queue)"
            assert any(re.search(found, row[0]) for row in plan), (name, column, plan)


async def test_the_page_names_each_column_and_no_view_shows_a_payload(pool: Pool) -> None:
    found: dict[str, list[str]] = {}
    for row in await pool.fetch(_COLUMNS):
        found.setdefault(row["table_name"], []).append(row["column_name"])
    sections = re.split(r"^## `(\w+)`$", (ROOT / "docs" / PAGE).read_text(encoding="utf-8"), flags=re.MULTILINE)
    cells = re.compile(r"^\| ([^|]*`[^|]*) \|", re.MULTILINE)
    shown = {
        name: [column for cell in cells.findall(text) for column in re.findall(r"`(\w+)`", cell)]
        for name, text in zip(sections[1::2], sections[2::2], strict=True)
    }
    assert {name: sorted(columns) for name, columns in shown.items()} == {n: sorted(c) for n, c in found.items()}
    hidden = {"payload", "result", "metadata", "data", "definition", "notify"}
    assert not hidden & {column for columns in found.values() for column in columns}


class Reader:
    """A role as the page makes it, on a server of its own."""

    def __init__(self, postgres: Postgres) -> None:
        self.url = postgres.url.replace("//duebook:", "//duebook_reader:").replace(
            postgres.stack_dir.password("postgres"), "change%20me"
        )
        environment = {"SUPERUSER_URL": superuser_of(postgres), "DUEBOOK_POSTGRES_URL": postgres.url}
        self.page = PageCommands(PAGE, {**environment, "READER_URL": self.url})
        self.page.run()


async def test_the_reader_of_the_page_reads_the_views_and_can_do_nothing_else(private_postgres: Postgres) -> None:
    await asyncio.to_thread(migrate, private_postgres.url)
    reader = Reader(private_postgres)
    reader.page.run()
    assert reader.page.all_done()
    db = await asyncpg.connect(reader.url)
    views = {row["table_name"] for row in await db.fetch(_COLUMNS)}
    for name in views:
        await db.fetch(f"SELECT * FROM {name}")
    await db.execute("SET default_transaction_read_only = off; SET search_path = public, duebook_bi")
    tables = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace"
    for name in [row["relname"] for row in await db.fetch(tables)]:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.fetch(f"SELECT * FROM public.{name}")
    for statement in (
        "UPDATE duebook_bi.jobs SET name = ''",
        "DELETE FROM duebook_bi.runs",
        "INSERT INTO duebook_bi.dead_letters (run_id) VALUES (gen_random_uuid())",
        "SELECT * FROM duebook_bi.runs FOR UPDATE",
        "CREATE TABLE public.mine ()",
        "CREATE VIEW duebook_bi.mine AS SELECT 1",
        "SELECT public.paused_queues()",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(statement)
    assert await db.fetchval("SHOW statement_timeout") == "5min"
    assert await db.fetchval("SHOW idle_in_transaction_session_timeout") == "1min"
    await db.close()


async def test_a_long_report_holds_up_no_reader_of_the_log(private_postgres: Postgres) -> None:
    await asyncio.to_thread(migrate, private_postgres.url)
    db = await asyncpg.connect(Reader(private_postgres).url)
    async with (
        connect(private_postgres.url, "test") as pool,
        db.transaction(isolation="repeatable_read", readonly=True),
    ):
        await db.fetch("SELECT * FROM runs")
        job_id = await created(pool)
        await past_horizon(pool)
        async with pool.acquire() as reading:
            assert [event.stream for event in (await tail(reading, 0, 0, 10)).events] == [f"job-{job_id}"]
        held = "SELECT age(backend_xmin) FROM pg_stat_activity WHERE usename = 'duebook_reader'"
        assert await pool.fetchval(held) > 0, "vacuum waits, and Duebook's role sees for what"
    await db.close()
