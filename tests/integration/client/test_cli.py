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
from duebook_common.store.actor import Actor
from duebook_common.store.database import connect
from duebook_common.store.run_handling import RunWork, handle_runs
from support.api_app import dying
from support.fleet import Platform, eventually

FIRST_KEY = "the-first-key"
PROGRAM = Path(sys.executable).with_name("duebook")
FUTURE = "2100-01-01T00:00:00Z"


@dataclass
class Program:
    """Runs `duebook` with an environment, in this process. `data` returns the JSON of a command that must succeed."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        merged = {**self.environment, **environment}
        with ThreadPoolExecutor(1) as thread:  # a command starts an event loop, and the test's thread may have one
            invoke = partial(CliRunner().invoke, catch_exceptions=False)
            return thread.submit(invoke, app, arguments, input=stdin, env=merged, prog_name="duebook").result()

    @contextmanager
    def started(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """The command as a child process."""
        merged = {**os.environ, **self.environment}
        with subprocess.Popen([PROGRAM, *arguments], env=merged, stdout=PIPE, stderr=PIPE, text=True) as process:
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
def offline(postgres_url: str) -> Program:
    """The program with a database and without an api."""
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
            (result,) = await handle_runs(pool, [RunWork(UUID(run_id), command)], Actor("test"))
            assert result.events, result


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


def test_a_job_comes_from_a_file_and_options_override_it(duebook: Program) -> None:
    body = json.dumps({"name": "from a file", "payload": {"n": 1}, "scheduled_at": FUTURE, "priority": 1})
    arguments = ("job", "create", "-f", "-", "--priority", "7", "--idempotency-key", "once")
    job = duebook.data(*arguments, stdin=body)
    assert (job["name"], job["payload"], job["priority"]) == ("from a file", {"n": 1}, 7)
    assert duebook.data(*arguments, stdin=body)["id"] == job["id"]


def test_a_job_may_be_due_after_a_duration(duebook: Program) -> None:
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


def test_a_forecast_is_a_line_per_hour_and_a_summary(duebook: Program) -> None:
    duebook.job("nightly", "--recurrence", "every 1h")
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    window = ("--from", start.isoformat(), "--to", (start + timedelta(hours=3)).isoformat())
    new = json.dumps([{"create": {"name": "new", "scheduled_at": start.isoformat()}}])
    forecast = duebook("schedule", "forecast", *window, "-f", "-", stdin=new)
    assert forecast.exit_code == 0, forecast.stderr
    assert forecast.stdout.splitlines()[1].split() == [f"{start:%Y-%m-%dT%H:%M:%SZ}", "1"]
    assert "total: 1 runs of 1 jobs" in forecast.stderr
    assert "times added: 1" in forecast.stderr
    assert duebook.data("schedule", "forecast", *window)["runs"] == 0


def test_why_prints_a_sentence_and_its_causes(duebook: Program) -> None:
    run = duebook.run()
    answer, *causes = duebook("run", "why", run["id"]).stdout.splitlines()
    assert answer == "It is due, and waits for a scheduler to send it to its queue."
    assert len(causes) == 1
    assert "triggered it at" in causes[0]
    why = duebook.data("job", "why", run["job_id"], "--at", FUTURE)
    assert why["answer"].startswith("It is scheduled for 2100-01-01T00:00:00Z, which is in ")
    assert duebook("job", "why", run["job_id"], "--at", "soon").exit_code == 2
    assert duebook("run", "why", run["job_id"]).exit_code == 3


def test_a_ledger_is_shown_and_backfilled(duebook: Program) -> None:
    job = duebook.data("job", "create", "daily", "--recurrence", "daily", "--at", "50h ago")
    ledger = duebook.data("job", "ledger", job["id"])
    assert (ledger["expected"], ledger["due"], ledger["unaccounted"]) == (3, 3, 0)
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


def test_an_interrupted_watch_prints_no_error(duebook: Program) -> None:
    with duebook.started("run", "watch", duebook.run()["id"]) as watching:
        assert watching.stdout
        assert watching.stderr
        watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 130
        assert watching.stderr.read() == ""


def test_events_tail_continues_after_a_restart_of_the_api(postgres_url: str, redis_url: str) -> None:
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
            assert "; retrying" in following.stderr.readline()
            api.start()
            api.await_ready()
            second = duebook.job("second")["id"]
            assert f"job-{second}  JobCreated" in following.stdout.readline()
            following.send_signal(signal.SIGINT)
            assert following.wait(10) == 130
            assert following.stderr.read() == ""


def test_events_tail_starts_now_or_at_a_position(duebook: Program) -> None:
    duebook.job("before")
    with duebook.started("events", "tail", "--interval", "0.1s", "-o", "json") as following:
        assert following.stdout
        with ThreadPoolExecutor(
            1
        ) as thread:  # events before its first request are not printed: create jobs until one is
            line = thread.submit(following.stdout.readline)
            eventually(lambda: bool(duebook.job("after")) and line.done(), 30)
        event = json.loads(line.result())
        assert (event["type"], event["data"]["definition"]["name"]) == ("JobCreated", "after")
        following.send_signal(signal.SIGINT)
    with duebook.started("events", "tail", "--after", event["position"], "--interval", "0.1s", "-o", "json") as again:
        assert again.stdout
        job_id = duebook.job("last")["id"]
        events = iter(lambda: json.loads(again.stdout.readline()), None)  # type: ignore[union-attr]
        assert next(event for event in events if event["stream"] == f"job-{job_id}")["version"] == 1
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


def test_a_refused_job_lists_each_fault_with_its_pointer(duebook: Program) -> None:
    refused = duebook("job", "create", "", "--timezone", "Mars", "--priority", "12")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert all(f"  {pointer}: " in refused.stderr for pointer in ("/name", "/timezone", "/priority"))


def test_an_unknown_resource_exits_with_3(duebook: Program) -> None:
    for noun in ("job", "run", "dead-letter"):
        missing = duebook(noun, "show", str(uuid4()))
        assert (missing.exit_code, missing.stdout) == (3, "")
        assert missing.stderr.count("\n") == 1


def test_a_key_is_created_used_listed_and_revoked(duebook: Program) -> None:
    created = duebook(
        "key", "create", "--name", "ci", "--scope", "jobs:read", "--scope", "runs:read", "--expires", "90d"
    )
    key = created.stdout.strip()
    assert (created.exit_code, created.stdout) == (0, f"{key}\n")
    assert duebook("job", "list", DUEBOOK_API_KEY=key).exit_code == 0
    assert duebook("job", "list", DUEBOOK_API_KEY=key + "x").exit_code == 1
    refused = duebook("job", "create", "a job", DUEBOOK_API_KEY=key)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "jobs:write" in refused.stderr
    (listed,) = duebook.data("key", "list")
    assert (listed["name"], listed["scopes"], listed["revoked_at"]) == ("ci", ["jobs:read", "runs:read"], None)
    lifetime = datetime.fromisoformat(listed["expires_at"]) - datetime.fromisoformat(listed["created_at"])
    assert lifetime == timedelta(days=90)
    assert key.startswith(f"sk_{listed['key_id']}_")
    assert duebook("key", "revoke", listed["key_id"]).exit_code == 0
    eventually(lambda: "refused the key in DUEBOOK_API_KEY" in duebook("job", "list", DUEBOOK_API_KEY=key).stderr)
    revoked_at = duebook.data("key", "list")[0]["revoked_at"]
    assert revoked_at
    assert duebook("key", "revoke", listed["key_id"]).exit_code == 0
    assert duebook.data("key", "list")[0]["revoked_at"] == revoked_at
    assert duebook("key", "revoke", "unknown").exit_code == 3


def test_a_missing_key_is_reported_with_its_variable(duebook: Program) -> None:
    refused = duebook("job", "list", DUEBOOK_API_KEY="")
    assert refused.exit_code == 1
    assert "set DUEBOOK_API_KEY" in refused.stderr


def test_a_consistent_log_verifies_and_needs_no_rebuild(duebook: Program) -> None:
    duebook.run()
    assert duebook.data("verify") == {"jobs": 1, "events": 2, "breaches": []}
    quiet = duebook("verify")
    assert (quiet.stdout, quiet.stderr) == ("", "duebook: checked 1 jobs and 2 events: no breaches\n")
    assert duebook.data("rebuild") == {"streams": 2, "replaced": 0}


async def test_a_falsified_row_is_a_breach_that_rebuild_repairs(duebook: Program) -> None:
    job = duebook.job()
    db = await asyncpg.connect(duebook.environment["DUEBOOK_POSTGRES_URL"])
    await db.execute("UPDATE jobs SET reason = 'falsified'")
    await db.close()
    verified = duebook("verify")
    assert verified.exit_code == 1
    assert f"job-{job['id']}" in verified.stdout
    assert "1 breach" in verified.stderr
    assert duebook.data("rebuild") == {"streams": 1, "replaced": 1}
    assert duebook("verify").exit_code == 0


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


@pytest.mark.parametrize("url", ["postgresql://u:secret@127.0.0.1:1/d", "postgresql://u:secret@127.0.0.1:port/d"])
def test_an_unreachable_database_is_one_line_without_the_password(url: str) -> None:
    for command in (["verify"], ["rebuild"], ["migrate"], ["key", "list"]):
        refused = Program({"DUEBOOK_POSTGRES_URL": url})(*command)
        assert refused.exit_code == 1
        assert "DUEBOOK_POSTGRES_URL" in refused.stderr
        assert "secret" not in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_the_program_is_called_duebook_through_any_link(tmp_path: Path) -> None:
    (tmp_path / "db").symlink_to(PROGRAM)
    done = subprocess.run([tmp_path / "db", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: duebook ")
