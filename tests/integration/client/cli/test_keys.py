"""`duebook key`. Against a real api and database."""

from datetime import datetime, timedelta

from support.fleet import eventually
from support.program import Program


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
