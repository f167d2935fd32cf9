"""`duebook executor`, `task`, `system` and `whoami`. Against a real api and database."""

import asyncio
import json

import asyncpg
import uuid_utils.compat as uuids

from support.program import Program

EXECUTOR = str(uuids.uuid7())
ADD = [
    f"""INSERT INTO executors (executor, queues, tasks, host, slots, seen_at)
        VALUES ('executor worker-1/{EXECUTOR}', '{{gpu}}', '{{a/b}}', 'worker-1', 10, now())""",
    """INSERT INTO tasks (name, payload_schema, seen_at) VALUES ('a/b', '{"type": "object"}', now())""",
]


def add_executor(duebook: Program) -> None:
    async def add() -> None:
        db = await asyncpg.connect(duebook.environment["DUEBOOK_POSTGRES_URL"])
        for statement in ADD:
            await db.execute(statement)
        await db.close()

    asyncio.run(add())


def test_executors_and_tasks_are_listed_and_shown(duebook: Program) -> None:
    add_executor(duebook)
    assert [each["id"] for each in duebook.data("executor", "list", "--queue", "gpu")] == [EXECUTOR]
    assert duebook.data("executor", "list", "--state", "lost") == []
    assert "worker-1" in duebook("executor", "list").stdout
    for name in (EXECUTOR, f"executor worker-1/{EXECUTOR}"):
        assert duebook.data("executor", "show", name)["runs"] == []
    assert "worker-1" in duebook("executor", "show", EXECUTOR).stdout
    assert duebook("executor", "show", "none").exit_code == 3
    assert [each["name"] for each in duebook.data("task", "list")] == ["a/b"]
    assert duebook.data("task", "show", "a/b")["payload_schema"] == {"type": "object"}
    assert duebook("task", "show", "none").exit_code == 3


def test_the_system_shows_the_service_that_answers(duebook: Program) -> None:
    shown = duebook.data("system")
    assert [(each["service"], each["state"]) for each in shown["services"]] == [("api", "alive")]
    printed = duebook("system").stdout
    assert "DUEBOOK_MAX_QUEUES" in printed
    assert "the-first-key" not in printed + json.dumps(shown)


def test_whoami_shows_the_key_as_the_server_knows_it(duebook: Program) -> None:
    key = duebook("key", "create", "--name", "ci", "--scope", "jobs:read").stdout.strip()
    shown = json.loads(duebook("whoami", "-o", "json", DUEBOOK_API_KEY=key).stdout)
    assert (shown["name"], shown["scopes"], shown["auth"]) == ("ci", ["jobs:read"], "required")
    assert duebook.data("whoami")["name"] == "DUEBOOK_API_KEY"
    assert "jobs:read" in duebook("whoami", DUEBOOK_API_KEY=key).stdout
