"""The command line against a real api and a real database."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from duebook.cli.app import app
from duebook_common.domain.run.commands import RunCommand, StartAttempt, Succeed
from duebook_common.store.database import connect
from duebook_common.store.job_handling import Actor
from duebook_common.store.run_handling import RunWork, handle_runs
from support.api_app import dying
from support.fleet import Platform, eventually

FIRST_KEY = "the-first-key"
PROGRAM = Path(sys.executable).with_name("duebook")
FUTURE = "2100-01-01T00:00:00Z"


@dataclass
class Program:
    """`duebook` with an environment, in this process; `data` is for what must succeed and print JSON."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        told = {**self.environment, **environment}
        with ThreadPoolExecutor(1) as apart:  # from a test's event loop, in which a command cannot have its own
            invoke = partial(CliRunner().invoke, catch_exceptions=False)
            return apart.submit(invoke, app, arguments, input=stdin, env=told, prog_name="duebook").result()

    @contextmanager
    def started(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """As a process of its own."""
        told = {**os.environ, **self.environment}
        with subprocess.Popen([PROGRAM, *arguments], env=told, stdout=PIPE, stderr=PIPE, text=True) as process:
            yield process

    def data(self, *arguments: str, stdin: str = "") -> Any:
        done = self(*arguments, "-o", "json", stdin=stdin)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def job(self, name: str = "a job", *more: str) -> dict[str, Any]:
        job: dict[str, Any] = self.data("job", "create", name, "--at", FUTURE, *more)
        return job

    def run(self) -> dict[str, Any]:
        run: dict[str, Any] = self.data("job", "trigger", self.job()["id"])
        return run


@pytest.fixture
def books(postgres_url: str) -> Program:
    return Program({"DUEBOOK_POSTGRES_URL": postgres_url})


@pytest.fixture
def duebook(postgres_url: str, redis_url: str) -> Iterator[Program]:
    urls = {"DUEBOOK_POSTGRES_URL": postgres_url, "DUEBOOK_REDIS_URL": redis_url}
    with Platform({**urls, "DUEBOOK_AUTH": "required", "DUEBOOK_API_KEY": FIRST_KEY}) as platform:
        platform.start("api")
        yield Program({"DUEBOOK_URL": platform["api", 0].url, "DUEBOOK_API_KEY": FIRST_KEY, **urls})


async def execute(url: str, run_id: str, *commands: RunCommand) -> None:
    async with connect(url, "test", 2) as pool:
        for command in commands:
            decided = (await handle_runs(pool, [RunWork(UUID(run_id), command)], Actor("test")))[0]
            assert decided.events, decided


def test_a_job_is_created_listed_paused_resumed_and_deleted(duebook: Program) -> None:
    job = duebook.job("nightly", "--recurrence", "daily", "--timeout", "90s", "--tag", "a", "--tag", "b")
    assert (job["name"], job["recurrence"], job["timeout"], job["tags"]) == ("nightly", "daily", "PT1M30S", ["a", "b"])
    assert [each["id"] for each in duebook.data("job", "list", "--tag", "b")] == [job["id"]]
    assert duebook.data("job", "list", "--tag", "c") == []
    assert duebook.data("job", "pause", job["id"], "--reason", "holidays")["status"] == "paused"
    assert duebook.data("job", "show", job["id"])["reason"] == "holidays"
    assert duebook.data("job", "resume", job["id"])["status"] == "active"
    deleted = duebook("job", "delete", job["id"])
    assert (deleted.exit_code, deleted.stdout) == (0, "")
    assert duebook.data("job", "show", job["id"])["status"] == "deleted"


def test_a_job_comes_from_a_file_and_flags_go_first(duebook: Program) -> None:
    body = json.dumps({"name": "from a file", "payload": {"n": 1}, "scheduled_at": FUTURE, "priority": 1})
    arguments = ("job", "create", "-f", "-", "--priority", "7", "--idempotency-key", "once")
    job = duebook.data(*arguments, stdin=body)
    assert (job["name"], job["payload"], job["priority"]) == ("from a file", {"n": 1}, 7)
    assert duebook.data(*arguments, stdin=body)["id"] == job["id"]


def test_a_job_may_be_due_in_a_while(duebook: Program) -> None:
    job = duebook.data("job", "create", "soon", "--at", "in 2h")
    ahead = datetime.fromisoformat(job["scheduled_at"]) - datetime.now(UTC)
    assert timedelta(minutes=119) < ahead <= timedelta(hours=2)


def test_a_table_that_is_piped_keeps_ids_and_names_whole(duebook: Program) -> None:
    job = duebook.job("a name " * 20)
    head, line = duebook("job", "list", COLUMNS="40").stdout.splitlines()
    assert head.split()[:2] == ["id", "name"]
    assert line.startswith(job["id"])
    assert ("a name " * 20).strip() in line


def test_lists_follow_cursors_up_to_the_limit(duebook: Program) -> None:
    jobs = [duebook.job(str(n))["id"] for n in range(3)]
    assert [each["id"] for each in duebook.data("job", "list", "--limit", "2")] == jobs[:0:-1]
    assert "--limit" in duebook("job", "list", "--limit", "2").stderr
    assert "--limit" not in duebook("job", "list", "--limit", "3").stderr


def test_runs_are_listed_shown_and_cancelled(duebook: Program) -> None:
    run, other = duebook.run(), duebook.run()
    assert [each["id"] for each in duebook.data("run", "list")] == [other["id"], run["id"]]
    assert [each["id"] for each in duebook.data("run", "list", "--job", run["job_id"])] == [run["id"]]
    assert duebook.data("run", "show", run["id"])["trigger"] == "manual"
    cancelled = duebook.data("run", "cancel", run["id"], "--reason", "never mind")
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "never mind")


def test_a_forecast_is_a_line_for_each_hour_and_its_sum(duebook: Program) -> None:
    duebook.job("nightly", "--recurrence", "every 1h")
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    window = ("--from", begin.isoformat(), "--to", (begin + timedelta(hours=3)).isoformat())
    new = json.dumps([{"create": {"name": "new", "scheduled_at": begin.isoformat()}}])
    told = duebook("schedule", "forecast", *window, "-f", "-", stdin=new)
    assert told.exit_code == 0, told.stderr
    assert told.stdout.splitlines()[1].split() == [f"{begin:%Y-%m-%dT%H:%M:%SZ}", "1"]
    assert "runs in all: 1, of jobs: 1" in told.stderr
    assert "times added: 1" in told.stderr
    assert duebook.data("schedule", "forecast", *window)["runs"] == 0


def test_why_is_answered_in_a_sentence_with_its_causes_beneath(duebook: Program) -> None:
    run = duebook.run()
    answer, *causes = duebook("run", "why", run["id"]).stdout.splitlines()
    assert answer == "It is due, and waits for a scheduler to send it to its queue."
    assert len(causes) == 1
    assert "started it by hand at" in causes[0]
    told = duebook.data("job", "why", run["job_id"], "--at", FUTURE)
    assert told["answer"].startswith("It lies ahead: the schedule names 2100-01-01T00:00:00Z, which is in ")
    assert duebook("job", "why", run["job_id"], "--at", "soon").exit_code == 2
    assert duebook("run", "why", run["job_id"]).exit_code == 3


def test_a_ledger_is_shown_and_what_was_skipped_is_made_up_for(duebook: Program) -> None:
    job = duebook.data("job", "create", "daily", "--recurrence", "daily", "--at", "50h ago")
    told = duebook.data("job", "ledger", job["id"])
    assert (told["expected"], told["due"], told["unaccounted"]) == (3, 3, 0)
    table = duebook("job", "ledger", job["id"], "--from", "25h ago", "--to", "in 1h")
    assert table.stdout.splitlines()[0].split() == ["nominal_at", "outcome", "reason", "run_id"]
    assert len(table.stdout.splitlines()) == 2
    assert table.stderr == "duebook: 1 expected, 0 recorded, 1 due, 0 unaccounted\n"
    assert duebook.data("job", "backfill", job["id"], "--from", job["created_at"], "--to", "0s ago") == []
    early = duebook("job", "backfill", job["id"], "--from", "3d ago", "--to", "1h ago", "--overlap", "allow_all")
    assert early.exit_code == 1
    assert "/from: this lies before the job's creation" in early.stderr


async def test_a_watch_prints_each_event_until_the_run_ends(duebook: Program) -> None:
    run, url = duebook.run(), duebook.environment["DUEBOOK_POSTGRES_URL"]
    with duebook.started("run", "watch", run["id"], "--interval", "0.1s") as watching:
        assert watching.stdout
        assert "RunDispatched" in watching.stdout.readline()
        now = datetime.now(UTC)
        await execute(url, run["id"], StartAttempt(0, "executor-1", timedelta(seconds=30), now))
        assert "AttemptStarted" in watching.stdout.readline()
        await execute(url, run["id"], Succeed(1, None, now))
        assert "AttemptSucceeded" in watching.stdout.readline()
        assert watching.wait(10) == 0
    again = duebook("run", "watch", run["id"], "-o", "json")
    assert [json.loads(line)["type"] for line in again.stdout.splitlines()] == [
        "RunDispatched",
        "AttemptStarted",
        "AttemptSucceeded",
    ]


def test_a_watch_of_a_run_that_was_cancelled_fails(duebook: Program) -> None:
    run = duebook.run()
    duebook.data("run", "cancel", run["id"])
    watched = duebook("run", "watch", run["id"])
    assert (watched.exit_code, watched.stderr) == (1, f"duebook: run {run['id']}: cancelled\n")


def test_an_interrupted_watch_is_quiet(duebook: Program) -> None:
    with duebook.started("run", "watch", duebook.run()["id"]) as watching:
        assert watching.stdout
        assert watching.stderr
        watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 130
        assert watching.stderr.read() == ""


def test_the_log_is_followed_through_a_restart_of_the_api(postgres_url: str, redis_url: str) -> None:
    urls = {"DUEBOOK_POSTGRES_URL": postgres_url, "DUEBOOK_REDIS_URL": redis_url}
    with Platform({**urls, "DUEBOOK_AUTH": "off"}) as platform:
        (api,) = platform.start("api")
        duebook = Program({"DUEBOOK_URL": api.url})
        first = duebook.job("first")["id"]
        with duebook.started("events", "tail", "--from-start", "--interval", "0.1s") as following:
            assert following.stdout
            assert following.stderr
            assert f"job-{first}  JobCreated" in following.stdout.readline()
            api.kill()
            assert "still trying" in following.stderr.readline()
            api.start()
            api.await_ready()
            second = duebook.job("second")["id"]
            assert f"job-{second}  JobCreated" in following.stdout.readline()
            following.send_signal(signal.SIGINT)
            assert following.wait(10) == 130
            assert following.stderr.read() == ""


def test_the_log_is_followed_from_now_on_or_from_a_position(duebook: Program) -> None:
    duebook.job("before")
    with duebook.started("events", "tail", "--interval", "0.1s", "-o", "json") as following:
        assert following.stdout
        with ThreadPoolExecutor(1) as apart:  # it begins in a moment; what comes until then is none of its business
            line = apart.submit(following.stdout.readline)
            eventually(lambda: bool(duebook.job("after")) and line.done(), 30)
        event = json.loads(line.result())
        assert (event["type"], event["data"]["definition"]["name"]) == ("JobCreated", "after")
        following.send_signal(signal.SIGINT)
    with duebook.started("events", "tail", "--after", event["position"], "--interval", "0.1s", "-o", "json") as again:
        assert again.stdout
        made = duebook.job("last")["id"]
        names = iter(lambda: json.loads(again.stdout.readline()), None)  # type: ignore[union-attr]
        assert next(each for each in names if each["stream"] == f"job-{made}")["version"] == 1
        again.send_signal(signal.SIGINT)
    wrong = duebook("events", "tail", "--after", "yesterday")
    assert (wrong.exit_code, "no event's position" in wrong.stderr) == (1, True)
    assert duebook("events", "tail", "--after", event["position"], "--from-start").exit_code == 2


async def test_dead_letters_are_grouped_redriven_and_discarded(duebook: Program) -> None:
    url, runs = duebook.environment["DUEBOOK_POSTGRES_URL"], [duebook.run()["id"] for _ in range(3)]
    for run_id in runs:
        await execute(url, run_id, *dying("disk full"))
    assert {each["id"] for each in duebook.data("dead-letter", "list")} == set(runs)
    (group,) = duebook.data("dead-letter", "groups")
    assert (group["count"], group["error"]) == (3, "disk full")
    assert duebook.data("dead-letter", "show", runs[0])["error"] == "disk full"
    redriven = duebook.data("dead-letter", "redrive", runs[0], "--reason", "more disk", "--payload", '{"small": true}')
    assert redriven["status"] == "retrying"
    assert duebook.data("dead-letter", "discard", runs[1], "--reason", "too late")["status"] == "discarded"
    many = ("dead-letter", "redrive", "--fingerprint", group["fingerprint"], "--reason", "more disk")
    assert duebook.data(*many, "--dry-run") == {"matched": 1, "redriven": 0, "invalid": 0}
    assert duebook.data(*many) == {"matched": 1, "redriven": 1, "invalid": 0}
    assert duebook("dead-letter", "show", runs[0]).exit_code == 3


def test_a_refused_job_lists_what_is_wrong_and_where(duebook: Program) -> None:
    refused = duebook("job", "create", "", "--timezone", "Mars", "--priority", "12")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert all(f"  {pointer}: " in refused.stderr for pointer in ("/name", "/timezone", "/priority"))


def test_what_is_not_there_ends_with_3(duebook: Program) -> None:
    for noun in ("job", "run", "dead-letter"):
        missing = duebook(noun, "show", str(uuid4()))
        assert (missing.exit_code, missing.stdout) == (3, "")
        assert missing.stderr.count("\n") == 1


def test_a_key_is_made_used_listed_and_revoked(duebook: Program) -> None:
    made = duebook("key", "create", "--name", "ci", "--scope", "jobs:read", "--scope", "runs:read", "--expires", "90d")
    key = made.stdout.strip()
    assert (made.exit_code, made.stdout) == (0, f"{key}\n")
    assert duebook("job", "list", DUEBOOK_API_KEY=key).exit_code == 0
    assert duebook("job", "list", DUEBOOK_API_KEY=key + "x").exit_code == 1
    refused = duebook("job", "create", "a job", DUEBOOK_API_KEY=key)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "jobs:write" in refused.stderr
    (listed,) = duebook.data("key", "list")
    assert (listed["name"], listed["scopes"], listed["revoked_at"]) == ("ci", ["jobs:read", "runs:read"], None)
    lasting = datetime.fromisoformat(listed["expires_at"]) - datetime.fromisoformat(listed["created_at"])
    assert lasting == timedelta(days=90)
    assert key.startswith(f"sk_{listed['key_id']}_")
    assert duebook("key", "revoke", listed["key_id"]).exit_code == 0
    eventually(lambda: "DUEBOOK_API_KEY is refused" in duebook("job", "list", DUEBOOK_API_KEY=key).stderr)
    revoked_at = duebook.data("key", "list")[0]["revoked_at"]
    assert revoked_at
    assert duebook("key", "revoke", listed["key_id"]).exit_code == 0
    assert duebook.data("key", "list")[0]["revoked_at"] == revoked_at
    assert duebook("key", "revoke", "nobody").exit_code == 3


async def test_words_that_are_no_scopes_are_pointed_at_until_their_key_is_revoked(books: Program) -> None:
    async with connect(books.environment["DUEBOOK_POSTGRES_URL"], "test", 1) as pool:
        await pool.execute("INSERT INTO keys VALUES ('old', 'ci', '', '{jobs, runs:read}')")
    assert "key old has words that are no scopes and allow nothing: jobs\n" in books("key", "list").stderr
    assert books("key", "revoke", "old").exit_code == 0
    assert books("key", "list").stderr == ""


def test_without_a_key_the_variable_is_named(duebook: Program) -> None:
    refused = duebook("job", "list", DUEBOOK_API_KEY="")
    assert refused.exit_code == 1
    assert "DUEBOOK_API_KEY is not set" in refused.stderr


def test_sound_books_verify_and_need_no_rebuilding(duebook: Program) -> None:
    duebook.run()
    assert duebook.data("verify") == {"jobs": 1, "events": 2, "breaches": []}
    quiet = duebook("verify")
    assert (quiet.stdout, quiet.stderr) == ("", "duebook: checked 1 jobs and 2 events: no breaches\n")
    assert duebook.data("rebuild") == {"streams": 2, "replaced": 0}


async def test_a_falsified_row_is_a_breach_that_rebuilding_mends(duebook: Program) -> None:
    job = duebook.job()
    db = await asyncpg.connect(duebook.environment["DUEBOOK_POSTGRES_URL"])
    await db.execute("UPDATE jobs SET reason = 'falsified'")
    await db.close()
    found = duebook("verify")
    assert found.exit_code == 1
    assert f"job-{job['id']}" in found.stdout
    assert "1 breach" in found.stderr
    assert duebook.data("rebuild") == {"streams": 1, "replaced": 1}
    assert duebook("verify").exit_code == 0


def test_a_database_without_the_schema_is_told_to_migrate(empty_postgres_url: str) -> None:
    books = Program({"DUEBOOK_POSTGRES_URL": empty_postgres_url})
    for command in (["verify"], ["rebuild"], ["key", "list"]):
        refused = books(*command)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "run: duebook migrate" in refused.stderr
    assert books("migrate").exit_code == 0
    assert books("verify").exit_code == 0


def test_the_url_may_lie_in_a_file(books: Program, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(books.environment["DUEBOOK_POSTGRES_URL"] + "\n")
    told = {"DUEBOOK_POSTGRES_URL": "", "DUEBOOK_POSTGRES_URL_FILE": str(tmp_path / "url")}
    assert books("key", "list", **told).exit_code == 0
    assert books("migrate", **told).exit_code == 0


async def test_a_schema_of_a_later_version_is_refused_in_one_line(books: Program) -> None:
    db = await asyncpg.connect(books.environment["DUEBOOK_POSTGRES_URL"])
    await db.execute("UPDATE alembic_version SET version_num = '9999'")
    await db.close()
    refused = books("migrate")
    assert refused.exit_code == 1
    assert "9999" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("url", ["postgresql://u:secret@127.0.0.1:1/d", "postgresql://u:secret@127.0.0.1:port/d"])
def test_a_database_out_of_reach_is_one_line_without_the_password(url: str) -> None:
    for command in (["verify"], ["rebuild"], ["migrate"], ["key", "list"]):
        refused = Program({"DUEBOOK_POSTGRES_URL": url})(*command)
        assert refused.exit_code == 1
        assert "DUEBOOK_POSTGRES_URL" in refused.stderr
        assert "secret" not in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_the_program_is_called_duebook_by_whatever_link(tmp_path: Path) -> None:
    (tmp_path / "db").symlink_to(PROGRAM)
    done = subprocess.run([tmp_path / "db", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: duebook ")
