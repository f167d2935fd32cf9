"""`duebook audit`. Against a real api and database."""

from support.program import Program


def test_the_audit_shows_who_made_a_key_and_who_paused_a_job(duebook: Program) -> None:
    key = duebook("key", "create", "--name", "ci", "--scope", "write", "--scope", "read").stdout.strip()
    job = duebook.job("nightly")
    assert duebook("job", "pause", job["id"], "--reason", "maintenance", DUEBOOK_API_KEY=key).exit_code == 0
    key_id = key.split("_")[1]
    assert duebook("key", "revoke", key_id, "--reason", "lost").exit_code == 0
    acts = duebook.data("audit", "--from", "1h ago")
    assert [act["type"] for act in acts] == ["KeyRevoked", "JobPaused", "JobCreated", "KeyMade"]
    assert [act["actor"].partition(" ")[0] for act in acts] == ["operator", f"key:{key_id}", "key:first", "operator"]
    assert [act["type"] for act in duebook.data("audit", "--job", "nightly", "--type", "JobPaused")] == ["JobPaused"]
    assert duebook.data("audit", "--to", "1h ago") == []
    assert "ci (key:" in duebook("audit", "--actor", f"key:{key_id}").stdout
