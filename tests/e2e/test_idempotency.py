"""Requests with the same Idempotency-Key create one job, however many there are and however concurrent."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from support.fleet import Platform

pytestmark = pytest.mark.xdist_group("idempotency")


def _post(duebook: Platform, key: str) -> tuple[int, str]:
    body = {"name": key, "payload": {"key": key}, "scheduled_at": "2026-01-01T00:00:00Z", "recurrence": "none"}
    answer = duebook.api.post("/api/job", json=body, headers={"Idempotency-Key": key})
    return answer.status_code, answer.json()["id"]


def test_ten_jobs_posted_twice_at_once_are_ten_jobs_that_run_once(duebook: Platform) -> None:
    keys = [str(uuid4()) for _ in range(10)]
    assert duebook.api  # one client for all threads
    with ThreadPoolExecutor(20) as pool:
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
