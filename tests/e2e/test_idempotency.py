"""Requests with the same Idempotency-Key create one job, however many there are and however concurrent."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from support.fleet import Platform, eventually

pytestmark = pytest.mark.xdist_group("idempotency")


def _post(duebook: Platform, key: str) -> tuple[int, str]:
    body = {"name": key, "payload": {"key": key}, "scheduled_at": "2026-01-01T00:00:00Z", "recurrence": "none"}
    answer = duebook.api.post("/api/job", json=body, headers={"Idempotency-Key": key})
    return answer.status_code, answer.json()["id"]


@pytest.mark.parametrize("at_once", [1, 20])
def test_ten_jobs_posted_twice_are_ten_jobs_that_run_once(duebook: Platform, at_once: int) -> None:
    keys = [str(uuid4()) for _ in range(10)]
    assert duebook.api  # one client for all threads
    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(lambda key: _post(duebook, key), keys * 2))
    assert {status for status, _ in answers} == {201}
    ids = [job_id for _, job_id in answers]
    assert ids[:10] == ids[10:]
    assert len(set(ids)) == 10
    for job_id in ids[:10]:
        duebook.await_run(job_id, "succeeded")
        assert len(duebook.runs(job_id)) == 1
    found = [job["name"] for job in duebook.get("/api/job?limit=200")["items"]]
    assert sorted(name for name in found if name in keys) == sorted(keys)


def test_twenty_concurrent_requests_with_one_key_create_one_job(duebook: Platform) -> None:
    key = str(uuid4())
    assert duebook.api
    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(lambda _: _post(duebook, key), range(20)))
    ((status, job_id),) = answers
    assert status == 201
    eventually(lambda: [r["status"] for r in duebook.runs(job_id)] == ["succeeded"])


def test_the_same_key_with_another_body_is_refused(duebook: Platform) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    assert duebook.api.post("/api/job", json={"name": "one"}, headers=headers).status_code == 201
    assert duebook.api.post("/api/job", json={"name": "two"}, headers=headers).status_code == 422
