"""`duebook job`. Against a real api and database."""

import json
from datetime import UTC, datetime, timedelta

from support.program import FUTURE, Program


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


def test_a_refused_job_lists_each_fault_with_its_pointer(duebook: Program) -> None:
    refused = duebook("job", "create", "", "--timezone", "Mars", "--priority", "12")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert all(f"  {pointer}: " in refused.stderr for pointer in ("/name", "/timezone", "/priority"))
