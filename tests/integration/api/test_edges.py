"""HTTP in general: the shape of errors, authentication, hints to the scheduler, malformed requests."""

import asyncio
import json
from dataclasses import replace
from typing import Any, cast
from uuid import uuid4

import httpx2
from starlette.routing import Route

from duebook_api.app import _ROUTERS, build
from duebook_common.runtime.health import Health
from duebook_common.runtime.hints import Hints
from support.api_app import Api, assert_problem, running_api


async def test_all_errors_have_the_same_shape(api: Api) -> None:
    http, huge = api.http, "x" * 1_100_000
    assert_problem(await http.get("/nothing/here"), 404, "not_found")
    assert_problem(await http.get("/api/job/not-a-uuid"), 404, "not_found")
    for path in (
        "run/{}",
        "run/{}/events",
        "job/{}",
        "job/{}/runs",
        "job/{}/events",
        "job-log/job/{}",
        "dead-letter/{}",
    ):
        assert_problem(await http.get(f"/api/{path.format(uuid4())}"), 404, "not_found")
    assert_problem(await http.post("/api/job", content=b'{"name":'), 400, "broken_json")
    assert_problem(await http.post("/api/job", content=b""), 400, "broken_json")
    assert_problem(await http.post("/api/job", json={"name": huge}), 413, "body_too_large")
    assert_problem(await http.post("/api/job", json={"name": "n", "payload": huge[:262_143]}), 413, "payload_too_large")
    assert_problem(await http.post("/api/job", content=b"{}", headers={"content-type": "text/plain"}), 415, "not_json")
    problem = assert_problem(await http.post("/api/job", json={"name": "n", "a/b~c": 1}), 422, "invalid")
    assert problem["errors"][0]["pointer"] == "/a~1b~0c"
    assert_problem(await http.get("/api/run?nope=1"), 422, "invalid")
    assert_problem(await http.get("/api/job?cursor=abc"), 422, "invalid")


async def test_an_unknown_method_is_answered_with_those_of_the_path(api: Api) -> None:
    answer = await api.http.patch("/api/job", json={})
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    options = await api.http.options(f"/api/job/{uuid4()}")
    assert (options.status_code, options.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")


async def test_head_is_get_without_the_body(api: Api) -> None:
    job = await api.create()
    head, get = await api.http.head(f"/api/job/{job['id']}"), await api.http.get(f"/api/job/{job['id']}")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", get.headers["etag"])


async def test_an_unexpected_error_reveals_no_details(api: Api) -> None:
    broken = build(replace(api.deps, clock=cast("Any", None)), Health(), None)
    transport = httpx2.ASGITransport(
        app=broken, raise_app_exceptions=True
    )  # so the error is not raised to the server either
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        problem = assert_problem(await http.post("/api/job", json={"name": "n"}), 500, "internal")
    assert "NoneType" not in str(problem)


async def test_without_the_database_the_answer_is_503_with_retry_after(api: Api) -> None:
    await api.deps.pool.close()
    for answer in (await api.http.get("/api/job"), await api.http.post("/api/job", json={"name": "n"})):
        assert_problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"


async def test_requests_without_a_valid_key_are_refused(postgres_url: str) -> None:
    async with running_api(postgres_url, key="first-secret") as api:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic first-secret"}):
            answer = await api.http.post("/api/job", json={"name": "n"}, headers=headers)
            assert_problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith('Bearer realm="duebook"')
        job = await api.json(201, "POST", "/api/job", {"name": "n"}, authorization="Bearer first-secret")
        for path in ("/livez", "/metrics", "/api/openapi.json", "/api/docs"):
            assert (await api.http.get(path)).status_code == 200
        [event] = (await api.json(200, "GET", f"/api/job/{job['id']}/events", authorization="bearer first-secret"))[
            "items"
        ]
        assert event["meta"]["actor"] == "key:first"


async def test_without_keys_requests_from_other_web_sites_are_refused(api: Api) -> None:
    own, foreign = {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "cross-site"}
    assert (await api.http.post("/api/job", json={"name": "n"}, headers=own)).status_code == 201
    assert_problem(await api.http.post("/api/job", json={"name": "n"}, headers=foreign), 403, "foreign_origin")


async def test_without_keys_only_the_own_machine_by_its_own_name_is_answered(api: Api) -> None:
    """A page whose name leads to this machine (DNS rebinding) has another Host; one elsewhere has another Origin."""
    for method, path in (("POST", "/api/job"), ("GET", "/api/job"), ("GET", "/api/docs"), ("GET", "/metrics")):
        for headers, code in (
            ({"host": "evil.example"}, "foreign_host"),
            ({"host": "evil.example:8000", "origin": "http://evil.example:8000"}, "foreign_host"),
            ({"origin": "http://evil.example"}, "foreign_origin"),
        ):
            answer = await api.http.request(method, path, json={"name": "n"}, headers=headers)
            assert_problem(answer, 403, code)
    assert (await api.json(200, "GET", "/api/job"))["items"] == []


async def test_a_job_due_now_gives_the_scheduler_a_hint(postgres_url: str, redis_url: str) -> None:
    listener, hinted = Hints(redis_url), asyncio.Event()
    task = asyncio.create_task(listener.listen(hinted))
    async with asyncio.timeout(60), running_api(postgres_url, redis_url) as api:
        await hinted.wait()  # subscribed
        hinted.clear()
        await api.json(201, "POST", "/api/job", {"name": "n"})
        await hinted.wait()
    task.cancel()
    await listener.close()


async def test_the_openapi_document_has_every_route_and_no_dangling_reference(api: Api) -> None:
    document = await api.json(200, "GET", "/api/openapi.json")
    routes = [route for router in _ROUTERS for route in router.routes if isinstance(route, Route)]
    routed = {route.path_format for route in routes if route.include_in_schema}
    assert routed <= document["paths"].keys()
    assert len(routed) > 20
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names <= set(document["components"]["schemas"])


async def test_a_path_that_is_no_id_has_only_the_methods_of_its_own_route(api: Api) -> None:
    for path, allowed in (
        ("/api/job/batch", "OPTIONS, POST"),
        ("/api/dead-letter/redrive", "OPTIONS, POST"),
        ("/api/dead-letter/groups", "GET, HEAD, OPTIONS"),
    ):
        options = await api.http.options(path)
        assert (options.status_code, options.headers["allow"]) == (204, allowed)
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(allowed.split(", ")):
            answer = await api.http.request(method, path, json={})
            assert_problem(answer, 405, "method_not_allowed")
            assert answer.headers["allow"] == allowed
    for method, path in (("OPTIONS", "job/x"), ("PUT", "job/x"), ("GET", "bulk/x"), ("POST", "bulk/x/abort")):
        assert_problem(await api.http.request(method, f"/api/{path}", json={"name": "n"}), 404, "not_found")


async def test_a_path_with_nul_names_nothing(api: Api) -> None:
    """PostgreSQL refuses such a text as a value."""
    for method, path in (
        ("GET", "task/%00"),
        ("GET", "executor/a%00b"),
        ("POST", "key/%00/revoke"),
        ("GET", "run/%00"),
    ):
        assert_problem(await api.http.request(method, f"/api/{path}"), 404, "not_found")
    page = await api.http.get("/console/executors/%00")
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")


async def test_a_refusal_names_the_field_or_the_parameter(api: Api) -> None:
    run = f"/api/run/{uuid4()}/cancel"
    dead_letter = f"/api/dead-letter/{uuid4()}"
    for method, path, body, pointer, message in (
        ("POST", "/api/job", b'{"name":"\\ud800"}', "/name", "half of a surrogate pair"),
        ("POST", "/api/job", b'{"name":"n","max_retries":18446744073709551616}', "/max_retries", "64 bits"),
        ("POST", "/api/job", b'{"name":"n","backoff":{"factor":1e400}}', "/backoff/factor", "too large"),
        ("POST", "/api/job", b'{"name":"n","name":"m"}', "/name", "given twice"),
        ("POST", "/api/job/batch", b'{"jobs":[{"name":"n"},{"name":"\\u0000"}]}', "/jobs/1/name", "NUL"),
        ("POST", "/api/job", b'{"name":"n","queue":"No Queue"}', "/queue", "a queue's name has 1 to 63 characters"),
        ("POST", "/api/job", b'{"name":"n","timeout":"PT99999999999S"}', "/timeout", "between PT0S and P36500D"),
        ("POST", f"{dead_letter}/discard", b'{"reason":"  "}', "/reason", "must not be blank"),
        ("POST", f"{dead_letter}/redrive", b'{"reason":"\\n"}', "/reason", "must not be blank"),
        ("POST", "/api/dead-letter/redrive", b'{"reason":"r","filter":{"job_id":"x"}}', "/filter/job_id", "a UUID"),
        ("POST", run, b'{"reason":"\\udfff"}', "/reason", "half of a surrogate pair"),
        ("GET", "/api/job?name=a%00b", b"", "/name", "a parameter must not contain the character NUL"),
        ("GET", "/api/job?na%00me=a", b"", "/na\\u0000me", "a parameter must not contain the character NUL"),
        ("POST", "/api/job?dry_run=maybe", b'{"name":"n"}', "/dry_run", "this must be true or false"),
        ("GET", "/api/job?colour=red", b"", "/colour", "there is no such parameter"),
        ("GET", "/api/run?job_id=7", b"", "/job_id", "this must be an id (a UUID)"),
        ("GET", "/api/run?a~b/c=7", b"", "/a~0b~1c", "there is no such parameter"),
    ):
        problem = assert_problem(await api.http.request(method, path, content=body), 422, "invalid")
        assert problem["errors"][0]["pointer"] == pointer
        assert message in problem["errors"][0]["detail"]
        assert problem["detail"].startswith(f"{pointer}: ")


async def test_a_position_in_a_header_is_refused_by_the_name_of_the_header(api: Api) -> None:
    answer = await api.http.get("/api/events/stream?after=latest", headers={"Last-Event-ID": "7"})
    assert assert_problem(answer, 422, "invalid")["errors"][0]["pointer"] == "/Last-Event-ID"
    answer = await api.http.get("/api/events/stream?after=7")
    assert assert_problem(answer, 422, "invalid")["errors"][0]["pointer"] == "/after"


async def test_two_idempotency_keys_are_refused(api: Api) -> None:
    keys = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    job = await api.create()
    for path, body in (
        ("/api/job", {"name": "n"}),
        ("/api/job/batch", {"jobs": [{"name": "n"}]}),
        (f"/api/job/{job['id']}/trigger", {}),
    ):
        problem = assert_problem(await api.http.post(path, json=body, headers=keys), 422, "invalid")
        assert problem["errors"][0]["pointer"] == "/Idempotency-Key"


async def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    jobs = [await api.create() for _ in range(2)]
    for job in jobs * 2:
        await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    lists = ["/api/job", "/api/run", "/api/job-log", *(f"/api/job/{job['id']}/runs" for job in jobs)]
    lists += [f"/api/job/{job['id']}/events" for job in jobs]
    cursors = {path: (await api.json(200, "GET", f"{path}?limit=1"))["next_cursor"] for path in lists}
    for path in lists:
        for source, cursor in cursors.items():
            if cursor is not None:
                answer = await api.http.get(f"{path}?limit=1&cursor={cursor}")
                assert answer.status_code == (200 if source == path else 422), (source, path)


async def test_the_root_leads_to_the_console_and_docs_to_the_documentation(postgres_url: str) -> None:
    async with running_api(postgres_url, key="first-secret") as api:
        for path, target in (("/", "/console"), ("/docs", "/api/docs")):
            answer = await api.http.get(path)
            assert (answer.status_code, answer.headers["location"]) == (307, target)
