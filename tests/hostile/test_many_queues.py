"""A client that names very many queues delays no job of another client."""

from typing import Any

import pytest

from support.fleet import Platform
from support.harm import measured_harm

pytestmark = pytest.mark.xdist_group("hostile")  # one after the other: two at once would be measured together

QUEUES = 1_000


def jobs(count: int) -> dict[str, Any]:
    return {"jobs": [{"name": "n", "queue": f"queue-{n}", "priority": n % 10} for n in range(count)]}


def test_a_thousand_new_queues_are_refused_and_harm_no_other_client(platform: Platform) -> None:
    platform.start_all()
    with measured_harm(platform) as harm:
        answer = platform.api.post("/api/job/batch", json=jobs(QUEUES))
        assert answer.status_code == 409
        assert answer.json()["code"] == "too_many_queues"
        assert platform.api.post("/api/job/batch", json=jobs(190)).status_code == 201
        harm.victims(10)
    harm.must_be_small()


def test_a_thousand_new_queues_harm_no_other_client(platform: Platform) -> None:
    platform.environment["DUEBOOK_MAX_QUEUES"] = "2000"
    platform.start_all()
    with measured_harm(platform) as harm:
        assert platform.api.post("/api/job/batch", json=jobs(QUEUES)).status_code == 201
        harm.victims(20)
    harm.must_be_small()
