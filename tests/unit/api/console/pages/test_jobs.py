from datetime import UTC, datetime
from uuid import uuid4

from duebook_api.console.pages.jobs import bulk_links, end_of, in_jobs_zone
from duebook_api.console.pages.times import JOBS_ZONE, Times
from duebook_api.history.last_runs import LastRun
from duebook_api.jobs.job_list import JobQuery


def test_all_that_match_can_be_acted_on_as_far_as_their_status_allows() -> None:
    every = {action.value: link.query for action, link in bulk_links(JobQuery())}
    assert list(every) == ["pause", "resume", "trigger", "delete"]
    assert every["pause"] == {"action": "pause", "all": "true"}
    paused = [action.value for action, _ in bulk_links(JobQuery(status=("paused",), sort="name"))]
    assert paused == ["resume", "trigger", "delete"]
    assert bulk_links(JobQuery(status=("deleted",))) == []


def test_a_next_time_is_shown_by_the_clocks_of_the_job_too_where_these_differ() -> None:
    now, at = datetime(2026, 11, 26, 2, tzinfo=UTC), datetime(2026, 11, 27, 1, tzinfo=UTC)
    job = {"next_due_at": at, "timezone": "Europe/Berlin", "recurrence": {"cron": "0 2 * * *"}}
    assert in_jobs_zone(job, Times(now)) == "Fri 27 Nov 02:00 +01:00 Europe/Berlin"
    for zone in ("Europe/Paris", JOBS_ZONE):
        assert in_jobs_zone(job, Times(now, zone)) == ""
    for other in ({"next_due_at": None}, {"recurrence": {"every": "PT2H"}}, {"recurrence": "none"}):
        assert in_jobs_zone(job | other, Times(now)) == ""


def test_a_finished_job_says_how_its_last_run_stands_unless_it_succeeded() -> None:
    def last(*statuses: str, job: str = "finished") -> str:
        return end_of(job, [LastRun(uuid4(), status, datetime(2026, 11, 26, tzinfo=UTC), 1) for status in statuses])

    assert (last("succeeded", "dead_lettered"), last("running")) == ("dead_lettered", "running")
    assert (last("dead_lettered", "succeeded"), last(), last("dead_lettered", job="active")) == ("", "", "")
