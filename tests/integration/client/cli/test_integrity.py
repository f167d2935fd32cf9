"""`duebook verify`, `day-lines`, `rebuild`, `rebase-log` and `migrate`. Against a real api and database."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from duebook_common.store.database import Pool, connect
from duebook_common.store.day_lines import write_line
from duebook_common.store.departure import alone
from support.bookkeeping import past_horizon
from support.program import Program


def test_a_consistent_log_verifies_and_needs_no_rebuild(duebook: Program) -> None:
    duebook.run()
    assert duebook.data("verify") == {"jobs": 1, "events": 2, "full": True, "breaches": []}
    quiet = duebook("verify")
    assert (quiet.stdout, quiet.stderr) == ("", "duebook: checked 1 jobs and 2 events: no breaches\n")
    assert duebook.data("rebuild") == {"streams": 2, "replaced": 0}


async def test_a_falsified_row_is_a_breach_that_rebuild_repairs(duebook: Program) -> None:
    job = duebook.job()
    db = await asyncpg.connect(duebook.environment["DUEBOOK_POSTGRES_URL"])
    await db.execute("UPDATE jobs SET reason = 'falsified'")
    await db.close()
    verified = duebook("verify")
    assert verified.exit_code == 1
    assert f"job-{job['id']}" in verified.stdout
    assert "1 breach" in verified.stderr
    assert duebook.data("rebuild") == {"streams": 1, "replaced": 1}
    assert duebook("verify").exit_code == 0


@pytest.mark.parametrize(
    ("command", "ends"),
    [
        ("rebuild -o json", (0, '{"streams":0,"replaced":0}', "")),
        ("archive restore 2026-01", (3, "", "there is no archive 2026-01; `duebook archive list` names them")),
    ],
)
async def test_what_needs_the_archives_says_that_it_waits_for_another(
    command: str, ends: tuple[int, str, str], offline: Program, pool: Pool, tmp_path: Path
) -> None:
    program = Program({**offline.environment, "DUEBOOK_ARCHIVE_URL": str(tmp_path)})
    async with AsyncExitStack() as archiving:
        await archiving.enter_async_context(alone(pool))
        with program.started(*command.split()) as waiting:
            assert waiting.stderr is not None
            message = await asyncio.to_thread(waiting.stderr.readline)
            await archiving.aclose()
            stdout, stderr = await asyncio.to_thread(waiting.communicate)
    assert "waiting for another process that archives" in message
    reason = stderr.strip().removeprefix("duebook: ")
    assert (waiting.returncode, "".join(stdout.split()), reason) == ends


async def test_a_rebase_says_nothing_had_to_be_done_only_if_so(duebook: Program) -> None:
    duebook.run()
    db = await asyncpg.connect(duebook.environment["DUEBOOK_POSTGRES_URL"])
    await db.execute("SELECT setval('events_position_seq', 1)")
    await db.close()
    for is_needed in (True, False):
        rebased = duebook("rebase-log")
        assert rebased.exit_code == 0
        assert ("nothing had to be done" in rebased.stderr) is not is_needed


async def test_a_line_that_was_kept_elsewhere_must_be_one_of_those_that_are_printed(duebook: Program) -> None:
    duebook.run()
    assert duebook("day-lines").stdout == ""
    async with connect(duebook.environment["DUEBOOK_POSTGRES_URL"], "test") as pool:
        now = datetime.now(UTC)
        assert await write_line(pool, now.date(), now) is not None
    line = duebook("day-lines").stdout.strip()
    assert [each["hash"] for each in duebook.data("day-lines", "--limit", "1")] == [line[-64:]]
    assert duebook("verify", "--line", line).exit_code == 0
    other = duebook("verify", "--line", line[:-64] + "0" * 64)
    assert (other.exit_code, "is not in the chain" in other.stdout) == (1, True)
    assert duebook("verify", "--line", "yesterday").exit_code == 2


async def test_a_recent_verification_begins_at_the_last_one_that_found_nothing(duebook: Program) -> None:
    for _ in range(2):
        duebook.run()
    async with connect(duebook.environment["DUEBOOK_POSTGRES_URL"], "test") as pool:
        await past_horizon(pool)
    recent = ("verify", "--recent")
    assert duebook.data(*recent)["jobs"] == 2  # all: nothing was verified before
    assert duebook.data(*recent) == {"jobs": 0, "events": 0, "full": False, "breaches": []}
    assert duebook.data("verify")["full"] is True
    run = duebook.run()
    assert duebook.data(*recent)["jobs"] == 1
    duebook.data("run", "cancel", run["id"])
    db = await asyncpg.connect(duebook.environment["DUEBOOK_POSTGRES_URL"])
    await db.execute("UPDATE runs SET error = 'falsified' WHERE status = 'cancelled'")
    await db.close()
    for _ in range(2):  # a breach is found again
        verified = duebook(*recent)
        assert (verified.exit_code, f"run-{run['id']}" in verified.stdout) == (1, True)
    assert duebook("verify").exit_code == 1
    assert duebook(*recent, "--line", f"2026-11-26 1 event {'0' * 64}").exit_code == 2
