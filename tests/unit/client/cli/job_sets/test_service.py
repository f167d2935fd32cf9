"""The requests of an apply: what is repeated, what is refused, and what is left out."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from duebook.cli.failures import Failure
from duebook.cli.job_sets import service
from duebook.cli.job_sets.files import FileJob, InvalidFiles, JobFiles
from duebook.cli.job_sets.plan import Action, Plan, Step, make_plan
from duebook.client import Client, Response
from support.client_answers import JOB

ONE = FileJob("one", "a", {"key": "one", "name": "one"}, "a.yaml", "/jobs/0", {"/jobs/0/timezone": 7})
NOW = JOB | {"key": "one"}
PLANNED = {"key": "one", "timeout": "PT9M"}
CHANGE = Step(Action.CHANGE, "one", "one", NOW, PLANNED, job=ONE)
CREATION = Step(Action.CREATE, "one", "one", planned=NOW, job=ONE)
NOTHING: tuple[int, Any] = (200, {"items": [], "next_cursor": None})
FORECAST = {"from": "…", "to": "…", "queues": [], "clock_changes": [], "added": {}, "removed": {}}


class Api:
    """Answers requests in this order, and keeps them."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self._answers = iter(answers)
        self.requests: list[tuple[str, str, Mapping[str, str], Any]] = []
        self.client = Client("http://duebook.test", retry_for=0, send=self._send)

    def _send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, _: float) -> Response:
        self.requests.append((method, target, headers, None if body is None else json.loads(body)))
        status, value = next(self._answers)
        return Response(status, json.dumps(value).encode())


def problem(pointer: str, status: int = 422) -> tuple[int, Any]:
    return status, {"code": "x", "detail": "too many", "errors": [{"pointer": pointer, "detail": "too many"}]}


def test_a_change_names_the_version_that_was_compared() -> None:
    api = Api((200, NOW))
    assert list(service.execute(api.client, [CHANGE])) == [CHANGE]
    [(method, target, headers, body)] = api.requests
    assert (method, target, headers["If-Match"], body) == ("PUT", "/api/job/key%3Aone", '"1"', ONE.body)


def test_a_creation_never_replaces_a_job_that_another_made_meanwhile() -> None:
    api = Api(problem("", 412), (200, NOW | {"timeout": "PT9M"}))
    with pytest.raises(Failure, match="job one was changed meanwhile"):
        list(service.execute(api.client, [CREATION]))
    assert api.requests[0][2]["If-None-Match"] == "*"


def test_a_creation_that_was_done_before_counts_though_its_default_time_is_another() -> None:
    later = NOW | {"scheduled_at": "2026-11-24T01:00:01Z"}
    done = Api(problem("", 412), (200, later))
    assert list(service.execute(done.client, [CREATION])) == [CREATION]


def test_a_step_that_was_done_before_counts_and_one_that_another_prevents_does_not() -> None:
    stale = problem("", 412)
    done = Api(stale, (200, NOW | PLANNED))
    assert list(service.execute(done.client, [CHANGE])) == [CHANGE]
    with pytest.raises(Failure, match="job one was changed meanwhile"):
        list(service.execute(Api(stale, (200, NOW)).client, [CHANGE]))


def test_a_deletion_that_was_done_before_counts() -> None:
    deletion = Step(Action.DELETE, "one", "one", NOW)
    for answer in (problem("", 409), (404, {"code": "x"})):
        assert list(service.execute(Api(answer, (404, {"code": "x"})).client, [deletion])) == [deletion]


def test_a_refusal_of_the_batch_is_found_in_its_file() -> None:
    with pytest.raises(InvalidFiles, match=r"a\.yaml:7: job one: /timezone: too many"):
        service.planned_jobs(Api(problem("/jobs/0/timezone")).client, JobFiles(("a",), (ONE,)))


def test_too_many_jobs_for_a_forecast_leave_those_of_the_set_or_none() -> None:
    plan = Plan((CHANGE,), 0, ())
    api = Api(problem("/filter"), (200, FORECAST), (200, FORECAST))
    assert service.effect_of(api.client, plan, ["a"]) is not None
    assert api.requests[1][3]["filter"] == {"tag": "set:a"}
    for answers in ([problem("/filter")] * 2, [problem("/changes")]):
        with pytest.raises(service.NoForecast, match="too many"):
            service.effect_of(Api(*answers).client, plan, ["a"])
    assert service.effect_of(Api().client, Plan((), 1, ()), ["a"]) is None


def test_a_job_of_the_set_without_a_key_is_left_alone() -> None:
    stray = JOB | {"key": None, "tags": ["set:a"]}
    api = Api((200, {"items": [stray, NOW | {"tags": ["set:a"]}], "next_cursor": None}))
    assert list(service.current_jobs(api.client, JobFiles(("a",), ()))) == ["one"]


def test_the_jobs_of_many_new_keys_are_read_together() -> None:
    files = [FileJob(f"k{n}", "a", {}, "a.yaml", "", {}) for n in range(60)]
    api = Api(*[NOTHING] * 3)
    assert service.current_jobs(api.client, JobFiles(("a",), tuple(files))) == {}
    targets = sorted(target for _, target, _, _ in api.requests)
    assert [target.count("k", target.index("key=") + 4) for target in targets[:2]] == [50, 10]


def test_the_keys_of_one_request_fit_into_the_line_that_a_proxy_takes() -> None:
    files = [FileJob(f"{n:03}{'@' * 150}", "a", {}, "a.yaml", "", {}) for n in range(60)]
    files.append(FileJob("€" * 1000, "a", {}, "a.yaml", "", {}))
    api = Api(*[NOTHING] * 9)
    assert service.current_jobs(api.client, JobFiles(("a",), tuple(files))) == {}
    targets = [target for _, target, _, _ in api.requests]
    assert max(map(len, targets)) < 4_100
    requested = {
        key for target in targets if "key=" in target for key in parse_qs(urlsplit(target).query)["key"][0].split(",")
    }
    assert requested == {file.key for file in files[:-1]}


def test_a_key_that_no_job_can_have_keeps_no_other_from_being_found() -> None:
    files = [FileJob(key, "a", {}, "a.yaml", "", {}) for key in ("no key", "one")]
    api = Api(NOTHING, problem("/key"), problem("/key"), (200, NOW))
    assert service.current_jobs(api.client, JobFiles(("a",), tuple(files))) == {"one": NOW}


def test_a_deletion_names_the_job_that_was_compared_and_no_later_one_with_its_key() -> None:
    api = Api((204, None))
    list(service.execute(api.client, [Step(Action.DELETE, "one", "one", NOW)]))
    assert api.requests[0][:2] == ("DELETE", f"/api/job/{NOW['id']}")


def test_two_hundred_jobs_are_planned_by_a_few_requests() -> None:
    files = [FileJob(f"k{n}", "a", {"key": f"k{n}"}, "a.yaml", "", {}) for n in range(200)]
    current = [NOW | {"key": file.key, "tags": ["set:a"]} for file in files]
    planned = [{"job": job | {"timeout": "PT9M", "recurrence": "daily"}} for job in current]
    api = Api((200, {"items": current, "next_cursor": None}), (200, {"items": planned}), *[(200, FORECAST)] * 2)
    set_of_jobs = JobFiles(("a",), tuple(files))
    found = service.current_jobs(api.client, set_of_jobs)
    plan = make_plan(set_of_jobs, found, service.planned_jobs(api.client, set_of_jobs), prune=False)
    assert service.effect_of(api.client, plan, ["a"]) is not None
    assert (len(plan.steps), len(api.requests)) == (200, 4)
