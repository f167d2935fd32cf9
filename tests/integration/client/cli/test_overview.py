"""`duebook status` and `duebook top`. Against a real api and database."""

import json
import signal

from support.fleet import eventually
from support.program import Program


def test_a_status_is_one_screen(duebook: Program) -> None:
    duebook.data("job", "create", "hourly", "--recurrence", "every 15m", "--at", "30m ago")
    duebook.run()
    # A service that does not answer for three seconds fails the status.
    shown = eventually(lambda: done if (done := duebook("status")).exit_code == 0 else None)
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[1][:2] == ["api", "ready"]
    # A run, and a job of which three times are due.
    assert ["default", "2", "0", "0", "0", "0", "0"] in lines
    assert ["all", "2", "0", "0", "0", "0", "0"] in lines
    assert ["dead", "letters", "0"] in lines
    assert "last hour     0 succeeded, 0 dead-lettered; 0.0 runs/s" in shown.stdout
    assert "unaccounted   0 of 3 times of 1 recurring jobs in the last hour" in shown.stdout
    data = duebook.data("status")
    assert (data["overview"]["due"], data["ledger"]["unaccounted"]) == (2, 0)


def test_a_service_that_does_not_answer_fails_the_status(duebook: Program) -> None:
    shown = duebook("status", DUEBOOK_EXECUTOR_URL="http://127.0.0.1:1", DUEBOOK_NOTIFIER_URL="nonsense")
    assert shown.exit_code == 1
    assert [line.split()[:3] for line in shown.stdout.splitlines()][2:4] == [
        ["executor", "no", "answer"],
        ["notifier", "no", "answer"],
    ]
    away = duebook("status", DUEBOOK_URL="http://127.0.0.1:1")
    assert (away.exit_code, away.stdout, away.stderr.count("\n")) == (1, "", 1)


def test_top_repeats_and_ends_cleanly(duebook: Program) -> None:
    duebook.run()
    twice = duebook("top", "--interval", "0.1s", "--count", "2", "-o", "json")
    assert [json.loads(line)["due"] for line in twice.stdout.splitlines()] == [1, 1]
    with duebook.started("top", "--interval", "0.1s") as watching:
        assert watching.stdout
        assert watching.stderr
        assert watching.stdout.readline().split()[:2] == ["queue", "due"]
        watching.send_signal(signal.SIGINT)
        watching.stdout.read()
        assert watching.stderr.read() == ""
    assert watching.returncode == 0
    assert duebook("top", "--count", "0").exit_code == 2
