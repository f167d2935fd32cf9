import orjson
import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from duebook_api.http.problems import Fault, Problem, invalid, invalid_model, pointer, problem_of, problem_response
from duebook_common.domain.errors import JobDeletedAlready, KeyReused, StaleVersion
from duebook_common.store.conflict import Conflict
from duebook_common.store.queue_handling import StartsGoOn
from support.samples import JOB_ID


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Problem(418, "teapot", "no coffee"), 418, "teapot"),
        (StaleVersion('"1"', 2), 412, "stale_version"),
        (KeyReused(), 422, "idempotency_key_reused"),
        (JobDeletedAlready(JOB_ID), 409, "job_deleted"),
        (Conflict("moved"), 503, "busy"),
        (StartsGoOn("mail"), 503, "busy"),
        (ConnectionRefusedError("no"), 503, "unavailable"),
        (KeyError("secret"), 500, "internal"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_error_has_its_problem(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)
    assert "secret" not in problem.detail


def test_a_problem_that_a_repeat_may_solve_says_when_to_try_again() -> None:
    for error in (Conflict("moved"), ConnectionRefusedError("no")):
        assert problem_of(error).headers == {"Retry-After": "1"}


def test_the_detail_is_the_first_fault_and_the_number_of_the_others() -> None:
    one, two = Fault("/a", "wrong"), Fault("", "wrong too")
    assert invalid(one).detail == "/a: wrong"
    assert invalid(two, one).detail == "the body: wrong too (and 1 more)"


def test_a_pointer_escapes_what_would_separate_its_parts() -> None:
    assert pointer(["a/b~c", 0]) == "/a~1b~0c/0"


class Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    count: int
    names: list[str]


def test_faults_of_a_model_use_the_types_of_json() -> None:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"names": ["a", 1], "more": 1})
    assert invalid_model(caught.value, "/root").faults == (
        Fault("/root/count", "this field is required"),
        Fault("/root/names/1", "this must be a string"),
        Fault("/root/more", "there is no such field"),
    )


def test_each_response_has_an_instance_of_its_own() -> None:
    bodies = [orjson.loads(problem_response(invalid(Fault("/a", "wrong"))).body) for _ in range(2)]
    assert bodies[0]["instance"] != bodies[1]["instance"]
    assert bodies[0] | {"instance": ""} == {
        "type": "https://duebook.dev/problems/invalid",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "/a: wrong",
        "instance": "",
        "code": "invalid",
        "errors": [{"pointer": "/a", "detail": "wrong"}],
    }
