"""Bodies of requests: their size, their type, and what is malformed."""

import gzip
import json
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

from support.api_app import Api, assert_problem


async def test_the_size_of_a_chunked_body_is_limited_too(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"name":"'
        for _ in range(20):
            yield b"x" * 65_536
        yield b'"}'

    assert_problem(await api.http.post("/api/job", content=chunks()), 413, "body_too_large")


async def test_a_batch_may_be_larger_but_each_payload_is_limited(api: Api) -> None:
    jobs = [{"name": "n", "payload": "x" * 200_000}] * 8
    await api.json(201, "POST", "/api/job/batch", {"jobs": jobs})
    answer = await api.http.post("/api/job/batch", json={"jobs": [*jobs, {"name": "n", "payload": "x" * 270_000}]})
    assert assert_problem(answer, 413, "payload_too_large")["errors"][0]["pointer"] == "/jobs/8/payload"


async def test_a_body_needs_the_content_type_of_json(api: Api) -> None:
    """A web page may send other types to any server without asking it first."""
    job, body = await api.create(), b'{"name": "n", "reason": "r"}'
    for method, path in _routes(api):
        for kind in (None, "text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"):
            url = path.replace("00000000-0000-0000-0000-000000000000", job["id"])
            request = api.http.build_request(method, url, content=body)
            request.headers.pop("content-type", None)
            if kind is not None:
                request.headers["content-type"] = kind
            answer = await api.http.send(request)
            assert answer.status_code == 415 or answer.json()["code"] == "method_not_allowed", (method, path, kind)


async def test_a_compressed_body_is_refused_by_name(api: Api) -> None:
    """Its bytes are no JSON, which says nothing about what to change."""
    body = gzip.compress(b'{"name": "n"}')
    for encoding in ("gzip", "GZIP", "identity, gzip", "br"):
        headers = {"content-type": "application/json", "content-encoding": encoding}
        problem = assert_problem(await api.http.post("/api/job", content=body, headers=headers), 415, "encoded_body")
        assert encoding in problem["detail"]
    headers = {"content-type": "application/json", "content-encoding": "identity"}
    assert (await api.http.post("/api/job", content=b'{"name": "n"}', headers=headers)).status_code == 201


def _routes(api: Api) -> Iterator[tuple[str, str]]:
    zero = "00000000-0000-0000-0000-000000000000"
    for method in ("POST", "PUT", "PATCH"):
        for path in (
            "job",
            "job/batch",
            f"job/{zero}",
            f"job/{zero}/pause",
            f"job/{zero}/trigger",
            f"run/{zero}/cancel",
        ):
            yield method, f"/api/{path}"
    for path in (f"dead-letter/{zero}/redrive", f"dead-letter/{zero}/discard", "dead-letter/redrive"):
        yield "POST", f"/api/{path}"


MALFORMED = [
    b"null",
    b"[]",
    b"0",
    b'""',
    b"{}",
    b'{"":{}}',
    b"\xff",
    b"[" * 2_000,
    b'{"name":"\\u0000"}',
    b'{"name":"\\ud800"}',
    b'{"reason":1e400}',
    b'{"payload":' + b"9" * 5_000 + b"}",
    b'{"payload":' + b"[" * 300 + b"]" * 300 + b"}",
    b'{"filter":[],"jobs":{},"name":[],"reason":{},"payload":NaN}',
    json.dumps({"name": "n", "scheduled_at": "9999-12-31T23:59:59-23:59", "recurrence": "weekly"}).encode(),
    json.dumps({"jobs": [None, 1, [], {"name": {}}]}).encode(),
]


async def test_no_malformed_body_is_answered_with_500(api: Api) -> None:
    for method, path in _routes(api):
        for body in MALFORMED:
            answer = await api.http.request(method, path, content=body)
            assert answer.status_code < 500, (method, path, body[:80], answer.text)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"


async def test_payload_and_metadata_are_bounded_together_in_every_request(api: Api) -> None:
    job, half = await api.create(), "x" * 150_000
    large = {"name": "n", "payload": half, "metadata": {"a": half}}
    for method, path, body, root in (
        ("POST", "/api/job", large, ""),
        ("POST", "/api/job", {"name": "n", "metadata": {"a": 2 * half}}, ""),
        ("POST", "/api/job/batch", {"jobs": [{"name": "n"}, large]}, "/jobs/1"),
        ("PUT", f"/api/job/{job['id']}", large, ""),
        ("PUT", f"/api/job/{uuid4()}", large, ""),
        ("PATCH", f"/api/job/{job['id']}", large, ""),
        ("POST", f"/api/job/{job['id']}/trigger", {"payload": 2 * half}, ""),
        ("POST", f"/api/dead-letter/{uuid4()}/redrive", {"payload": 2 * half, "reason": "r"}, ""),
    ):
        problem = assert_problem(await api.http.request(method, path, json=body), 413, "payload_too_large")
        assert problem["errors"][0]["pointer"] in {f"{root}/payload", f"{root}/metadata"}
    await api.json(200, "PATCH", f"/api/job/{job['id']}", {"payload": half})
    answer = await api.http.patch(f"/api/job/{job['id']}", json={"metadata": {"a": half}})
    assert_problem(answer, 413, "payload_too_large")


async def test_numbers_that_are_stored_in_more_digits_count_as_they_are_stored(api: Api) -> None:
    body = b'{"name":"n","payload":[' + b"1E15," * 30_000 + b"1]}"
    assert_problem(await api.http.post("/api/job", content=body), 413, "payload_too_large")
