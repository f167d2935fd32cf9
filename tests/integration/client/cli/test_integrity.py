"""`duebook verify`, `rebuild`, `rebase-log` and `migrate`. Against a real api and database."""

import asyncpg

from support.program import Program


def test_a_consistent_log_verifies_and_needs_no_rebuild(duebook: Program) -> None:
    duebook.run()
    assert duebook.data("verify") == {"jobs": 1, "events": 2, "breaches": []}
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


async def test_a_rebase_says_nothing_had_to_be_done_only_if_so(duebook: Program) -> None:
    duebook.run()
    db = await asyncpg.connect(duebook.environment["DUEBOOK_POSTGRES_URL"])
    await db.execute("SELECT setval('events_position_seq', 1)")
    await db.close()
    for is_needed in (True, False):
        rebased = duebook("rebase-log")
        assert rebased.exit_code == 0
        assert ("nothing had to be done" in rebased.stderr) is not is_needed
