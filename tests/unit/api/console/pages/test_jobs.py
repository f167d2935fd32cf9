from duebook_api.console.pages.jobs import bulk_links
from duebook_api.jobs.job_list import JobQuery


def test_all_that_match_can_be_acted_on_as_far_as_their_status_allows() -> None:
    every = {action.value: link.query for action, link in bulk_links(JobQuery())}
    assert list(every) == ["pause", "resume", "trigger", "delete"]
    assert every["pause"] == {"action": "pause", "all": "true"}
    paused = [action.value for action, _ in bulk_links(JobQuery(status=("paused",), sort="name"))]
    assert paused == ["resume", "trigger", "delete"]
    assert bulk_links(JobQuery(status=("deleted",))) == []
