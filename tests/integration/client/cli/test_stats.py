"""`duebook stats`, against a real api and database."""

from duebook_common.store.database import connect
from support.counting import count_all
from support.program import Program


async def test_stats_prints_steps_and_totals(duebook: Program) -> None:
    run = duebook.run()
    duebook.data("run", "cancel", run["id"])
    async with connect(duebook.environment["DUEBOOK_POSTGRES_URL"], "test", 1) as pool:
        await count_all(pool)
    head, *_, total = duebook("stats", "--by", "queue", "--from", "2h ago", "--step", "5m").stdout.splitlines()
    assert head.split()[:4] == ["at", "key", "succeeded", "dead_lettered"]
    assert total.split()[:5] == ["total", run["queue"], "0", "0", "1"]
    assert duebook.data("stats", "--queue", run["queue"])["totals"][0]["counts"]["cancelled"] == 1
    assert duebook.data("stats", "--job", run["job_id"])["by"] == "outcome"
    assert duebook("stats", "--step", "often").exit_code == 2
    assert duebook("stats", "--step", "30s").exit_code == 1
