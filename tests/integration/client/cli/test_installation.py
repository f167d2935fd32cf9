"""`duebook whoami`. Against a real api and database."""

import json

from support.program import Program


def test_whoami_shows_the_key_as_the_server_knows_it(duebook: Program) -> None:
    key = duebook("key", "create", "--name", "ci", "--scope", "jobs:read").stdout.strip()
    shown = json.loads(duebook("whoami", "-o", "json", DUEBOOK_API_KEY=key).stdout)
    assert (shown["name"], shown["scopes"], shown["auth"]) == ("ci", ["jobs:read"], "required")
    assert duebook.data("whoami")["name"] == "DUEBOOK_API_KEY"
    assert "jobs:read" in duebook("whoami", DUEBOOK_API_KEY=key).stdout
