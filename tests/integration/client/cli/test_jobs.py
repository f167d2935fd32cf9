"""`duebook job`. Against a real api and database."""

import json
from datetime import UTC, datetime, timedelta

from support.program import FUTURE, Program


def test_a_job_is_created_listed_paused_resumed_and_deleted(duebook: Program) -> None:
    job = duebook.job("nightly", "--recurrence", "daily", "--timeout", "90s", "--tag", "a", "--tag", "b")
    assert (job["name"], job["recurrence"], job["timeout"], job["tags"]) == ("nightly", "daily", "PT1M30S", ["a", "b"])
    assert [each["id"] for each in duebook.data("job", "list", "--tag", "b")] == [job["id"]]
    assert duebook.data("job", "list", "--tag", "c") == []
    both = ("--status", "active", "--status", "paused")
    assert [each["id"] for each in duebook.data("job", "list", "--tag", "b", "--sort", "name", *both)] == [job["id"]]
    assert duebook.data("job", "list", "--text", "no such name") == []
    assert duebook.data("job", "pause", job["id"], "--reason", "holidays")["status"] == "paused"
    assert duebook.data("job", "show", job["id"])["reason"] == "holidays"
    assert duebook.data("job", "resume", job["id"])["status"] == "active"
    deleted = duebook("job", "delete", job["id"])
    assert (deleted.exit_code, deleted.stdout) == (0, "")
    assert duebook.data("job", "show", job["id"])["status"] == "deleted"
    assert duebook.data("job", "erase", job["id"], "--reason", "request 7")["erased_at"] is not None


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


def test_a_job_triggers_others_and_its_run_may_be_awaited(duebook: Program) -> None:
    duebook.data("job", "create", "report", "--key", "report", "--at", FUTURE)
    then = ("--then", "key:report on=succeeded payload=result", "--then", "key:report on=dead_lettered")
    job = duebook.data("job", "create", "import", *then, "--wait", "1s")
    assert [(each["on"], each["payload"]) for each in job["then"]] == [
        (["succeeded"], "result"),
        (["dead_lettered"], None),
    ]
    assert job["run"] is None  # no scheduler runs here
    run = duebook.data("job", "trigger", "key:report", "--wait", "1s")
    assert duebook.data("run", "show", run["id"], "--wait", "1s")["status"] == run["status"] == "dispatched"


def test_a_table_that_is_piped_keeps_ids_and_names_whole(duebook: Program) -> None:
    job = duebook.job("a name " * 20)
    head, line = duebook("job", "list", COLUMNS="40").stdout.splitlines()
    assert head.split()[:3] == ["id", "key", "name"]
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
    by_month = duebook("job", "ledger", job["id"], "--by", "month").stdout.splitlines()
    assert by_month[-1].split() == ["total", "3", "0", "3", "0"]
    assert duebook.data("job", "ledger", job["id"], "--by", "day")["expected"] == 3
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


def test_a_job_is_updated_by_options_and_by_a_file_and_keeps_the_rest(duebook: Program) -> None:
    job = duebook.job("nightly", "--timeout", "90s", "--tag", "a", "--gap", "skip")
    changed = duebook.data("job", "update", "nightly", "--fold", "both", "--queue", "mail", "--overlap", "allow_all")
    assert (changed["id"], changed["version"]) == (job["id"], 2)
    assert (changed["queue"], changed["overlap"], changed["timeout"]) == ("mail", "allow_all", "PT1M30S")
    assert changed["dst"] == {"gap": "skip", "fold": "both"}
    patch = "tags: null\ntimeout: PT2M\nnotify: {to: [a@example.com], on: [missed]}\n"
    changed = duebook.data("job", "update", "nightly", "-f", "-", "--timeout", "3m", "--name", "weekly", stdin=patch)
    assert (changed["name"], changed["tags"], changed["timeout"]) == ("weekly", [], "PT3M")
    assert changed["notify"] == {"to": ["a@example.com"], "on": ["missed"]}
    assert duebook("job", "update", "nightly", "--priority", "1").exit_code == 3
    refused = duebook("job", "update", "weekly", "--priority", "12")
    assert (refused.exit_code, "/priority" in refused.stderr) == (1, True)


def test_a_job_is_named_by_its_name_wherever_one_job_has_it(duebook: Program) -> None:
    job = duebook.job("nightly", "--recurrence", "daily")
    assert duebook.data("job", "pause", "nightly")["id"] == job["id"]
    assert duebook.data("job", "resume", "nightly")["status"] == "active"
    run = duebook.data("job", "trigger", "nightly")
    assert [each["id"] for each in duebook.data("run", "list", "--job", "nightly")] == [run["id"]]
    assert duebook.data("job", "ledger", "nightly")["unaccounted"] == 0
    nothing = duebook("job", "backfill", "nightly")
    assert "no run was made" in nothing.stderr
    assert duebook.data("job", "backfill", "nightly") == []
    assert duebook.data("dead-letter", "list", "--job", "nightly") == []
    assert duebook("job", "why", "nightly").exit_code == 0
    other = duebook.job("nightly")
    ambiguous = duebook("job", "delete", "nightly")
    assert (ambiguous.exit_code, ambiguous.stdout) == (2, "")
    assert all(id_ in ambiguous.stderr for id_ in (job["id"], other["id"]))
    assert duebook.data("job", "delete", other["id"]) == {"id": other["id"], "status": "deleted"}
    assert duebook("job", "delete", "nightly").exit_code == 0
    assert duebook.data("job", "show", job["id"])["status"] == "deleted"
    assert duebook("job", "show", "nightly").exit_code == 2


def test_a_job_that_is_deleted_by_its_key_is_named_as_it_was_given(duebook: Program) -> None:
    duebook.job("nightly", "--key", "nightly")
    deleted = duebook("job", "delete", "key:nightly", "-o", "json")
    assert json.loads(deleted.stdout) == {"job": "key:nightly", "status": "deleted"}
    assert deleted.stderr == "duebook: deleted job key:nightly\n"


def test_a_dry_run_shows_what_would_be_made_and_makes_nothing(duebook: Program) -> None:
    options = ("nightly", "--recurrence", "daily", "--at", FUTURE)
    plan = duebook.data("job", "create", *options, "--dry-run")
    assert (len(plan["times"]), plan["job"]["name"]) == (10, "nightly")
    assert "2100-01-10" in duebook("job", "create", *options, "--dry-run").stdout
    assert duebook("job", "create", "nightly", "--timeout", "9999d", "--dry-run").exit_code == 1
    assert duebook.data("job", "list") == []
    job = duebook.job("nightly")
    assert duebook.data("job", "backfill", job["id"], "--dry-run") == []
