"""`duebook bulk`. Against a real api, database and scheduler."""

from support.fleet import Platform
from support.program import Program


def test_each_action_is_requested_counted_listed_and_aborted(duebook: Program) -> None:
    duebook.job("one", "--tag", "tenant-7")
    duebook.job("two")
    assert duebook.data("bulk", "pause", "--tag", "tenant-7", "--dry-run") == {"matched": 1}
    assert duebook.data("bulk", "pause", "--all", "--dry-run") == {"matched": 2}
    assert duebook.data("bulk", "resume", "--text", "ONE", "--dry-run") == {"matched": 0}
    assert duebook.data("bulk", "trigger", "--text", "ONE", "--dry-run") == {"matched": 1}
    assert duebook.data("bulk", "delete", "--task", "log", "--queue", "default", "--dry-run") == {"matched": 2}
    assert duebook.data("bulk", "cancel", "--job", "one", "--due-to", "in 1d", "--dry-run") == {"matched": 0}
    assert duebook.data("bulk", "redrive", "--finished-from", "1h ago", "--dry-run") == {"matched": 0}
    assert duebook.data("bulk", "discard", "--fingerprint", "x", "--dry-run") == {"matched": 0}
    request = ("bulk", "pause", "--name", "one", "--status", "active", "--reason", "a test", "--idempotency-key", "k")
    bulk = duebook.data(*request, "--rate", "0.5", "--limit", "10")
    assert duebook.data(*request, "--rate", "0.5", "--limit", "10")["id"] == bulk["id"]
    assert (bulk["filter"], bulk["rate"], bulk["limit"]) == ({"name": "one", "status": ["active"]}, 0.5, 10)
    assert duebook.data("bulk", "show", bulk["id"])["reason"] == "a test"
    assert [each["id"] for each in duebook.data("bulk", "list", "--action", "pause", "--status", "running")] == [
        bulk["id"]
    ]
    aborted = duebook.data("bulk", "abort", bulk["id"], "--reason", "not now")
    assert (aborted["status"], aborted["abort_reason"]) == ("aborted", "not now")
    assert duebook.data("bulk", "list", "--status", "running") == []
    assert duebook("bulk", "show", bulk["id"][:-4] + "0000").exit_code == 3
    refused = duebook("bulk", "cancel", "--status", "succeeded", "--reason", "r")
    assert refused.exit_code == 1
    assert "cancel concerns only what is waiting" in refused.stderr


def test_the_progress_is_watched_and_what_became_of_the_runs_is_shown(platform: Platform) -> None:
    platform.start("api")
    platform.start("scheduler")
    duebook = Program({"DUEBOOK_URL": platform["api", 0].url})
    for name in ("one", "two", "three"):
        duebook.job(name)
    shown = duebook("bulk", "pause", "--all", "--reason", "a test", "--watch", "--interval", "0.05s")
    assert shown.exit_code == 0
    assert shown.stderr.splitlines()[-1].startswith("duebook: status=ended  done=3  refused=0  left=0")
    assert {each["status"] for each in duebook.data("job", "list")} == {"paused"}
    bulk = duebook.data("bulk", "trigger", "--all", "--reason", "late data", "--watch", "--interval", "0.05s")
    assert sum(duebook.data("bulk", "show", bulk["id"])["outcomes"].values()) == 3
    triggered = duebook.data("run", "list", "--bulk", bulk["id"])
    assert sorted(run["job_name"] for run in triggered) == ["one", "three", "two"]
    assert duebook.data("run", "list", "--bulk", duebook.data("bulk", "list", "--action", "pause")[0]["id"]) == []
