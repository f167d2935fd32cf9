"""What happens to an occurrence that falls due while a run of its job is active, or that comes too late."""

import pytest

from fleet import Platform, eventually
from histories import executor_of, from_now, types, when

pytestmark = pytest.mark.xdist_group("overlap")


@pytest.mark.parametrize(("overlap", "second"), [("skip", "skipped"), ("allow_all", "succeeded")])
def test_an_occurrence_beside_a_running_one(duebook: Platform, overlap: str, second: str) -> None:
    job = duebook.create(
        task="nap",
        payload={"seconds": 4},
        recurrence="daily",
        scheduled_at=from_now(days=-1, seconds=2),
        overlap=overlap,
        catch_up={"policy": "latest", "window": "P365D"},
    )
    eventually(lambda: {r["status"] for r in duebook.runs(job["id"])} == {"succeeded", second} and _two(duebook, job))
    later, earlier = duebook.runs(job["id"])
    assert (earlier["trigger"], earlier["status"]) == ("catch_up", "succeeded")
    assert later["status"] == second
    if overlap == "skip":
        assert later["reason"] == "overlap"
    else:
        assert when(later["started_at"]) < when(earlier["finished_at"]), "they ran side by side"


def _two(duebook: Platform, job: dict[str, str]) -> bool:
    return len(duebook.runs(job["id"])) == 2


def test_a_trigger_runs_beside_a_running_one_unless_asked_otherwise(duebook: Platform) -> None:
    job = duebook.create(task="nap", payload={"seconds": 2})
    duebook.await_run(job["id"], "running")
    skipped = duebook.api.post(f"/api/job/{job['id']}/trigger", json={"overlap": "skip"}).raise_for_status().json()
    assert (skipped["status"], skipped["reason"]) == ("skipped", "overlap")
    beside = duebook.api.post(f"/api/job/{job['id']}/trigger").raise_for_status().json()
    eventually(lambda: [r["status"] for r in duebook.runs(job["id"])] == ["succeeded", "skipped", "succeeded"])
    assert duebook.runs(job["id"])[0]["id"] == beside["id"]


def test_a_run_that_cannot_start_in_time_is_skipped_and_not_run_late(duebook: Platform) -> None:
    late = duebook.create(scheduled_at=from_now(seconds=-30), start_within="PT5S")
    unheard = duebook.create(queue="too.late", start_within="PT1S")
    for job in (late, unheard):
        run = duebook.await_run(job["id"], "skipped")
        assert (run["reason"], run["attempt"]) == ("deadline", 0)
    with executor_of(duebook, "too.late"):
        heard = duebook.create(queue="too.late", start_within="PT1H")
        duebook.await_run(heard["id"], "succeeded")
    assert "AttemptStarted" not in types(duebook, duebook.runs(unheard["id"])[0]["id"])
    assert [r["status"] for r in duebook.runs(unheard["id"])] == ["skipped"]
