"""A client that piles up active runs with large payloads on one job delays no job of another client."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from support.fleet import Platform
from support.harm import measured_harm

pytestmark = pytest.mark.xdist_group("hostile")  # one after the other: two at once would be measured together

TRIGGERS = 120
EMPTY_LISTS = b'{"payload":[' + b"[]," * 86_000 + b"[]]}"


def test_large_payloads_of_active_runs_harm_no_other_client(platform: Platform) -> None:
    platform.start_all()
    job = platform.create(queue="served-by-none", recurrence={"every": "PT1S"}, overlap="buffer_all")
    with measured_harm(platform) as harm:
        for _ in range(TRIGGERS):
            answer = platform.api.post(
                f"/api/job/{job['id']}/trigger", content=EMPTY_LISTS, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 202, answer.text
        harm.victims(10)
    harm.must_be_small()


def test_a_job_at_its_limit_of_active_runs_harms_no_other_client(platform: Platform) -> None:
    platform.start_all()
    job = platform.create(queue="served-by-none", recurrence={"every": "PT1S"}, overlap="allow_all")
    path = f"/api/job/{job['id']}"
    with measured_harm(platform) as harm:
        with ThreadPoolExecutor(8) as pool:
            triggered = [pool.submit(platform.api.post, f"{path}/trigger") for _ in range(1_100)]
        assert {answer.result().status_code for answer in triggered} == {202, 409}
        harm.victims(10)
    harm.must_be_small(most_wait=3)  # a job of the same slice waits behind the triggers for its lock
    skipped = platform.get(f"{path}/ledger?limit=200")
    reasons = {item["reason"] for item in skipped["items"] if item["outcome"] == "skipped"}
    assert reasons == {"max_active_runs"}
    assert skipped["unaccounted"] == 0
