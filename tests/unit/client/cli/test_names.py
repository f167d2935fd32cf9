"""Jobs by their names."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from duebook.cli.failures import Ambiguous, NotFound, exit_code
from duebook.cli.names import filter_id, job_id, job_path
from duebook.client import Client, Response

ID, OTHER = "01a2b3c4-0000-7000-8000-000000000000", "01a2b3c4-0000-7000-8000-000000000001"
GONE = "01a2b3c4-0000-7000-8000-000000000002"


def job(id_: str, name: str, status: str = "active") -> dict[str, Any]:
    return {"id": id_, "name": name, "status": status, "task": "log", "recurrence": "daily", "created_at": "2026"}


def api_with(*jobs: dict[str, Any]) -> Client:
    def answer(_method: str, target: str, *_: Any) -> Response:
        query = {name: value for name, [value] in parse_qs(urlsplit(target).query).items()}
        found = [
            each
            for each in jobs
            if each["name"] == query["name"] and (each["status"] == "deleted") == (query.get("status") == "deleted")
        ]
        return Response(200, json.dumps({"items": found, "next_cursor": None}).encode())

    return Client("http://duebook.test", retry_for=0, send=answer)


def test_a_name_that_one_job_has_stands_for_its_id() -> None:
    api = api_with(
        job(ID, "nightly"), job(OTHER, "weekly"), job(GONE, "nightly", "deleted"), job(GONE, "old", "deleted")
    )
    assert job_id(api, "nightly") == ID
    assert job_id(api, "old") == GONE
    assert job_path(api, "weekly", "pause") == f"/api/job/{OTHER}/pause"
    assert filter_id(api, "weekly") == OTHER
    assert filter_id(api, None) is None


def test_an_id_is_taken_as_it_is_without_a_request() -> None:
    with Client("http://127.0.0.1:1") as api:
        assert job_path(api, ID.upper(), "why") == f"/api/job/{ID.upper()}/why"
        assert job_path(api, "key:a/b") == "/api/job/key%3Aa%2Fb"


def test_a_name_that_several_jobs_have_is_refused_with_a_list_of_them() -> None:
    with pytest.raises(Ambiguous) as caught:
        job_id(api_with(job(ID, "nightly"), job(OTHER, "nightly", "finished")), "nightly")
    first, *lines = str(caught.value).splitlines()
    assert first == "2 jobs have the name 'nightly'; name one by its id:"
    assert [line.split() for line in lines] == [
        [ID, "active", "log", "daily", "2026"],
        [OTHER, "finished", "log", "daily", "2026"],
    ]
    assert exit_code(caught.value) == 2


@pytest.mark.parametrize("name", ["", " ", "unknown", "../job", "0" * 36])
def test_a_name_that_no_job_has_is_not_found(name: str) -> None:
    with pytest.raises(NotFound, match="there is no job"):
        job_path(api_with(job(ID, "nightly")), name)
