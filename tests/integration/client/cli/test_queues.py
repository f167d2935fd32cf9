"""`duebook queue`, `freeze` and `thaw`. Against a real api and database."""

from support.program import Program


def test_a_queue_is_paused_shown_and_resumed(duebook: Program) -> None:
    duebook.data("job", "create", "a", "--queue", "mail", "--at", "in 1h")
    assert duebook.data("queue", "pause", "mail", "--reason", "provider down")["pause"]["reason"] == "provider down"
    assert [each["state"] for each in duebook.data("queue", "list") if each["name"] == "mail"] == ["paused"]
    assert "provider down" in duebook("queue", "show", "mail").stdout
    assert "the queue mail is paused by" in duebook("status").stdout
    assert duebook.data("queue", "resume", "mail")["pause"] is None
    assert duebook("queue", "show", "none").exit_code == 3


def test_a_freeze_is_shown_by_status_and_ended_by_thaw(duebook: Program) -> None:
    assert duebook.data("freeze", "--reason", "migration")["freeze"]["reason"] == "migration"
    assert "all queues are frozen by" in duebook("status").stdout
    assert duebook.data("thaw") == {"freeze": None}
    assert "frozen" not in duebook("status").stdout
