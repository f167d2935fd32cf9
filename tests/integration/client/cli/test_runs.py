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


def test_an_unknown_resource_exits_with_3(duebook: Program) -> None:
    for noun in ("job", "run", "dead-letter"):
        missing = duebook(noun, "show", str(uuid4()))
        assert (missing.exit_code, missing.stdout) == (3, "")
        assert missing.stderr.count("\n") == 1
