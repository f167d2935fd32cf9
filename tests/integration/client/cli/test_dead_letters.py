"""`duebook dead-letter`. Against a real api and database."""

from support.api_app import fail_for_good
from support.program import Program, execute


async def test_dead_letters_are_grouped_redriven_and_discarded(duebook: Program) -> None:
    url, runs = duebook.environment["DUEBOOK_POSTGRES_URL"], [duebook.run()["id"] for _ in range(3)]
    for run_id in runs:
        await execute(url, run_id, *fail_for_good("disk full"))
    assert {each["id"] for each in duebook.data("dead-letter", "list")} == set(runs)
    assert duebook.data("dead-letter", "list", "--finished-to", "1d ago", "--tag", "none", "--text", "none") == []
    assert duebook.data("dead-letter", "groups", "--finished-to", "1d ago") == []
    (group,) = duebook.data("dead-letter", "groups")
    assert (group["count"], group["error"]) == (3, "disk full")
    assert duebook.data("dead-letter", "show", runs[0])["error"] == "disk full"
    redriven = duebook.data("dead-letter", "redrive", runs[0], "--reason", "more disk", "--payload", '{"small": true}')
    assert redriven["status"] == "retrying"
    assert duebook.data("dead-letter", "discard", runs[1], "--reason", "too late")["status"] == "discarded"
    many = ("dead-letter", "redrive", "--fingerprint", group["fingerprint"], "--reason", "more disk")
    assert duebook.data(*many, "--dry-run") == {"matched": 1, "redriven": 0, "invalid": 0}
    assert duebook.data(*many, "--text", "no such text", "--dry-run")["matched"] == 0
    redriven = duebook.data(*many, "--limit", "1")
    assert duebook.data("bulk", "show", redriven.pop("bulk"))["done"] == 1
    assert redriven == {"matched": 1, "redriven": 1, "invalid": 0}
    assert duebook("dead-letter", "show", runs[0]).exit_code == 3
