"""`duebook run`, and the errors that all commands of the API share. Against a real api and database."""

import json
import signal
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from duebook_common.domain.run.commands import StartAttempt, Succeed
from support.program import FUTURE, Program, execute


def test_runs_are_listed_shown_and_cancelled(duebook: Program) -> None:
    run, other = duebook.run(), duebook.run()
    assert [each["id"] for each in duebook.data("run", "list")] == [other["id"], run["id"]]
    assert [each["id"] for each in duebook.data("run", "list", "--job", run["job_id"])] == [run["id"]]
    assert duebook.data("run", "show", run["id"])["trigger"] == "manual"
    cancelled = duebook.data("run", "cancel", run["id"], "--reason", "never mind")
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "never mind")


def test_a_run_is_shown_as_it_stood(duebook: Program) -> None:
    run = duebook.run()
    before = datetime.now(UTC).isoformat()
    duebook.data("run", "cancel", run["id"])
    assert duebook.data("run", "show", run["id"])["status"] == "cancelled"
    assert duebook.data("run", "show", run["id"], "--as-of", before)["status"] == "dispatched"
    assert duebook("run", "show", run["id"], "--as-of", "soon").exit_code == 2
    assert duebook("run", "show", run["id"], "--as-of", before, "--wait", "1s").exit_code == 2


def test_runs_are_listed_by_text_statuses_and_times(duebook: Program) -> None:
    run, other = duebook.run(), duebook.run()
    duebook.data("run", "cancel", run["id"])

    def ids(*options: str) -> list[str]:
        return [each["id"] for each in duebook.data("run", "list", *options)]

    assert ids("--status", "cancelled", "--status", "dispatched", "--trigger", "manual") == [other["id"], run["id"]]
    assert ids("--status", "cancelled", "--text", run["job_name"].upper()) == [run["id"]]
    assert ids("--finished-from", "1h ago", "--sort", "finished_at") == [run["id"]]
    assert ids("--due-to", "1h ago") == ids("--tag", "none") == ids("--executor", "none") == []
    assert duebook("run", "list", "--due-to", "soon").exit_code == 2


def test_a_run_that_has_ended_is_repeated_once_for_each_key(duebook: Program) -> None:
    run = duebook.run()
    assert duebook("run", "rerun", run["id"]).exit_code == 1
    duebook.data("run", "cancel", run["id"])
    again = duebook.data("run", "rerun", run["id"], "--idempotency-key", "k")
    assert (again["trigger"], again["cause"]) == ("rerun", run["id"])
    assert duebook.data("run", "rerun", run["id"], "--idempotency-key", "k") == again
    assert [each["id"] for each in duebook.data("run", "list", "--cause", run["id"])] == [again["id"]]


def test_a_run_is_erased_only_once_its_outcome_is_mailed(duebook: Program) -> None:
    run = duebook.run()
    assert "cancel it, or wait for its end" in duebook("run", "erase", run["id"]).stderr
    duebook.data("run", "cancel", run["id"])
    assert "repeat the request" in duebook("run", "erase", run["id"], "--reason", "request 7").stderr


def test_why_prints_a_sentence_and_its_causes(duebook: Program) -> None:
    run = duebook.run()
    answer, *causes = duebook("run", "why", run["id"]).stdout.splitlines()
    assert answer == "It is due, and waits for a scheduler to send it to its queue."
    assert "triggered it at" in causes[0]
    assert "No executor serves the queue" in causes[1]
    why = duebook.data("job", "why", run["job_id"], "--at", FUTURE)
    assert why["answer"].startswith("It is scheduled for 2100-01-01T00:00:00Z, which is in ")
    assert duebook("job", "why", run["job_id"], "--at", "soon").exit_code == 2
    assert duebook("run", "why", run["job_id"]).exit_code == 3


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
        assert watching.wait(60) == 0
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
        assert watching.wait(60) == 130
        assert watching.stderr.read() == ""


def test_an_unknown_resource_exits_with_3(duebook: Program) -> None:
    for noun in ("job", "run", "dead-letter"):
        missing = duebook(noun, "show", str(uuid4()))
        assert (missing.exit_code, missing.stdout) == (3, "")
        assert missing.stderr.count("\n") == 1


async def test_the_log_of_a_run_is_printed_and_followed_to_its_end(duebook: Program) -> None:
    run, url, now = duebook.run(), duebook.environment["DUEBOOK_POSTGRES_URL"], datetime.now(UTC)
    with duebook.started("run", "logs", run["id"], "--follow", "--interval", "0.1s") as following:
        assert following.stdout
        await execute(url, run["id"], StartAttempt(0, "executor-1", timedelta(seconds=30), now))
        assert following.stdout.readline().split("  ", 1)[1] == "1  started        started on executor-1\n"
        await execute(url, run["id"], Succeed(1, None, now))
        assert "completed" in following.stdout.readline()
        assert following.wait(60) == 0
    assert [entry["status"] for entry in duebook.data("run", "logs", run["id"])] == ["started", "completed"]
    newest = duebook("run", "logs", run["id"], "--limit", "1")
    assert ("completed" in newest.stdout, "--limit" in newest.stderr) == (True, True)
    assert len(duebook("run", "logs", run["id"], "--follow", "-o", "json").stdout.splitlines()) == 2
    assert duebook("run", "logs", run["job_id"]).exit_code == 3


def test_a_followed_log_of_a_run_that_did_not_succeed_exits_with_1(duebook: Program) -> None:
    run = duebook.run()
    duebook("run", "cancel", run["id"])
    assert duebook("run", "logs", run["id"], "--follow", "--level", "error").exit_code == 1


def test_a_list_of_runs_names_its_job(duebook: Program) -> None:
    duebook.job("nightly")
    run = duebook.data("job", "trigger", "nightly")
    assert [each["id"] for each in duebook.data("run", "list", "--job", "nightly", "--status", "dispatched")] == [
        run["id"]
    ]
    assert duebook("run", "list", "--job", "unknown").exit_code == 3
