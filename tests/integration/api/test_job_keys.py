"""Keys of jobs over REST: names of their own, which work wherever an id does."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from unittest.mock import AsyncMock, patch

from duebook_common.domain.errors import JobKeyTaken
from support.api_app import FUTURE, Api

BODY = {"name": "a job", "scheduled_at": FUTURE}


async def test_a_key_works_wherever_an_id_does(api: Api) -> None:
    job, other = await api.create(key="billing.nightly"), await api.create()
    path = "/api/job/key:billing.nightly"
    assert (await api.json(200, "GET", path))["id"] == job["id"]
    assert (await api.json(200, "GET", "/api/job/key%3Abilling.nightly"))["key"] == "billing.nightly"
    run = await api.json(202, "POST", f"{path}/trigger")
    await api.json(202, "POST", f"/api/job/{other['id']}/trigger")
    for listed in ("/api/run?job_id=key:billing.nightly&limit=1", f"{path}/runs"):
        assert [each["id"] for each in (await api.json(200, "GET", listed))["items"]] == [run["id"]]
    assert [each["id"] for each in (await api.json(200, "GET", "/api/job?key=billing.nightly"))["items"]] == [job["id"]]
    several = await api.json(200, "GET", "/api/job?key=billing.nightly,none&key=b")
    assert [each["id"] for each in several["items"]] == [job["id"]]
    assert (await api.json(200, "GET", f"{path}/events"))["items"][0]["type"] == "JobCreated"
    assert (await api.json(200, "GET", f"{path}/why"))["answer"]
    assert (await api.json(200, "GET", "/api/job-log/job/key:billing.nightly"))["items"] == []
    counted = {"action": "cancel", "filter": {"job_id": "key:billing.nightly"}, "dry_run": True}
    assert (await api.json(200, "POST", "/api/bulk", counted))["matched"] == 1
    changes = {"from": FUTURE, "to": "2100-02-01T00:00:00Z", "changes": [{"delete": "key:billing.nightly"}]}
    api.deps.clock._offset = (datetime(2099, 12, 1, tzinfo=UTC).timestamp()) - asyncio.get_running_loop().time()
    assert (await api.json(200, "POST", "/api/schedule/forecast", changes))["removed"]["count"] == 1


async def test_a_key_that_no_job_has_is_named(api: Api) -> None:
    missing = await api.json(404, "GET", "/api/job/key:no.such")
    assert missing["detail"] == 'there is no job with the key "no.such"; a deleted job has none'
    faults = [
        (await api.json(422, "GET", "/api/run?job_id=key:no.such")),
        (
            await api.json(
                422, "POST", "/api/bulk", {"action": "cancel", "filter": {"job_id": "key:x"}, "dry_run": True}
            )
        ),
    ]
    assert [fault["errors"][0]["pointer"] for fault in faults] == ["/job_id", "/filter/job_id"]
    await api.json(404, "GET", "/api/job/key:a%2Fb")


async def test_a_malformed_key_is_refused_in_words(api: Api) -> None:
    for key in ("", "a b", "a/b", "-a", "x" * 201, "ü"):
        [fault] = (await api.json(422, "POST", "/api/job", BODY | {"key": key}))["errors"]
        assert (fault["pointer"], "1 to 200" in fault["detail"]) == ("/key", True), key
    assert (await api.create(key="x" * 200))["key"] == "x" * 200


async def test_a_taken_key_names_the_job_that_has_it(api: Api) -> None:
    job = await api.create(key="k")
    other = await api.create(key="other")
    refusals = [
        await api.json(409, "POST", "/api/job", BODY | {"key": "k"}),
        await api.json(409, "PATCH", f"/api/job/{other['id']}", {"key": "k"}),
        await api.json(409, "PUT", f"/api/job/{other['id']}", BODY | {"key": "k"}),
        await api.json(422, "POST", "/api/job?dry_run=true", BODY | {"key": "k"}),
    ]
    for refusal in refusals:
        [fault] = refusal["errors"]
        assert fault["pointer"] == "/key"
        assert job["id"] in fault["detail"]
    assert {refusal["code"] for refusal in refusals[:3]} == {"key_taken"}


async def test_a_batch_is_refused_as_a_whole_for_one_key(api: Api) -> None:
    await api.create(key="k")
    taken = await api.json(409, "POST", "/api/job/batch", {"jobs": [BODY, BODY | {"key": "k"}]})
    assert [fault["pointer"] for fault in taken["errors"]] == ["/jobs/1/key"]
    for path in ("/api/job/batch", "/api/job/batch?dry_run=true"):
        twice = await api.json(422, "POST", path, {"jobs": [BODY | {"key": "b"}, BODY, BODY | {"key": "b"}]})
        assert [fault["pointer"] for fault in twice["errors"]] == ["/jobs/2/key"]
    assert len((await api.json(200, "GET", "/api/job"))["items"]) == 1


async def test_a_key_is_freed_by_a_new_name_or_a_deletion(api: Api) -> None:
    first = await api.create(key="k")
    await api.json(200, "PATCH", "/api/job/key:k", {"key": "renamed"})
    second = await api.create(key="k")
    await api.json(204, "DELETE", "/api/job/key:k")
    third = await api.create(key="k")
    assert (await api.json(200, "GET", "/api/job/key:k"))["id"] == third["id"]
    assert (await api.json(200, "GET", f"/api/job/{second['id']}"))["key"] == "k"  # as it was called
    created = (await api.json(200, "GET", "/api/job/key:renamed/events"))["items"][0]
    as_of = await api.json(200, "GET", f"/api/job/key:renamed?as_of={created['recorded_at']}")
    assert (as_of["id"], as_of["key"]) == (first["id"], "k")
    assert (await api.json(200, "PATCH", "/api/job/key:renamed", {"key": None}))["key"] is None


async def test_put_creates_or_replaces_the_job_with_the_key(api: Api) -> None:
    made = await api.json(201, "PUT", "/api/job/key:k", BODY)
    same = await api.json(200, "PUT", "/api/job/key:k", BODY | {"key": "k"})
    assert (same["id"], same["version"], same["key"]) == (made["id"], 1, "k")
    changed = await api.json(200, "PUT", "/api/job/key:k", BODY | {"name": "b"}, If_Match='"1"')
    assert (changed["id"], changed["version"]) == (made["id"], 2)
    for key in ("other", None):
        [fault] = (await api.json(422, "PUT", "/api/job/key:k", BODY | {"key": key}))["errors"]
        assert fault["pointer"] == "/key"
    await api.json(412, "PUT", "/api/job/key:new", BODY, If_Match='"1"')
    await api.json(422, "PUT", "/api/job/key:a%20b", BODY)


async def test_of_many_creators_of_one_key_one_wins(api: Api) -> None:
    async def create(n: int) -> Any:
        return await api.http.post("/api/job", json=BODY | {"key": "k", "name": f"job {n}"})

    answers = await asyncio.gather(*map(create, range(32)))
    assert sorted(answer.status_code for answer in answers) == [201] + 31 * [409]


async def test_many_puts_of_one_key_make_one_job(api: Api) -> None:
    answers = await asyncio.gather(*(api.http.put("/api/job/key:k", json=BODY) for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == 15 * [200] + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_of_many_puts_that_only_create_one_key_one_wins(api: Api) -> None:
    only_new = {"If-None-Match": "*"}
    puts = [api.http.put("/api/job/key:k", json=BODY | {"name": f"job {n}"}, headers=only_new) for n in range(16)]
    answers = await asyncio.gather(*puts)
    assert sorted(answer.status_code for answer in answers) == [201] + 15 * [412]
    [made] = [answer.json()["name"] for answer in answers if answer.status_code == 201]
    assert (await api.json(200, "GET", "/api/job/key:k"))["name"] == made


async def test_batches_that_share_keys_do_not_deadlock(api: Api) -> None:
    keys = [f"k{n}" for n in range(20)]

    async def create(order: list[str]) -> int:
        jobs = [BODY | {"key": key} for key in order]
        return int((await api.http.post("/api/job/batch", json={"jobs": jobs})).status_code)

    statuses = await asyncio.gather(*(create(keys if n % 2 else keys[::-1]) for n in range(8)))
    assert sorted(statuses) == [201] + 7 * [409]


async def test_a_repeated_create_answers_the_first_job(api: Api) -> None:
    first = await api.json(201, "POST", "/api/job", BODY | {"key": "k"}, Idempotency_Key="one")
    again = await api.json(201, "POST", "/api/job", BODY | {"key": "k"}, Idempotency_Key="one")
    assert again["id"] == first["id"]
    await api.json(409, "POST", "/api/job", BODY | {"key": "k"}, Idempotency_Key="two")


async def test_the_same_request_twice_at_once_is_not_refused_by_its_own_job(api: Api) -> None:
    """The second is judged by the key of the first, not by its id, where both are being written."""
    first = await api.json(201, "POST", "/api/job", BODY | {"key": "k"}, Idempotency_Key="one")
    with patch.object(api.deps.create_batcher, "create", AsyncMock(side_effect=JobKeyTaken)):
        again = await api.json(201, "POST", "/api/job", BODY | {"key": "k"}, Idempotency_Key="one")
        await api.json(409, "POST", "/api/job", BODY | {"key": "k"}, Idempotency_Key="two")
    assert again == first
