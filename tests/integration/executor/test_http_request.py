# ruff: noqa: RUF001 - messages write ranges with an en dash
"""`http.request` against a real server: what is sent, what it reaches, what fails."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest

from duebook.errors import Fail, RetryAfter
from duebook_devstack.ports import free_port
from duebook_executor.builtin.egress import parse_allow
from duebook_executor.builtin.http_request import http_request_task
from duebook_executor.builtin.resolver import Address
from duebook_executor.builtin.signing import WebhookSecret, signature_headers
from support.http_server import LOOPBACK, TRACE, Server, fixed, response, run, serving


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


async def test_the_body_is_sent_as_json_and_the_response_returned(server: Server) -> None:
    url = f"http://localhost:{server.port}/a%2Fb?c=d"
    result = await run(http_request_task(LOOPBACK), {"url": url, "body": {"ä": 1}})
    assert result == {"status": 200, "body": "ok"}
    assert server.requests[0].startswith(b"POST /a%2Fb?c=d HTTP/1.1\r\n")
    assert server.requests[0].endswith(b"\r\n\r\n" + '{"ä":1}'.encode())
    assert server.head()["content-type"] == "application/json"


async def test_the_headers_name_the_run_the_attempt_and_the_trace(server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}/"
    headers = {"X-Mine": "1", "content-type": "application/x"}
    await run(http_request_task(LOOPBACK), {"url": url, "headers": headers, "body": None})
    head = server.head()
    assert head["host"] == f"127.0.0.1:{server.port}"
    assert head["idempotency-key"] == f"{UUID(int=1)}.2"
    assert head["duebook-run"] == str(UUID(int=1))
    assert head["duebook-attempt"] == "3"
    assert head["traceparent"] == TRACE
    assert head["accept-encoding"] == "identity"
    assert (head["x-mine"], head["content-type"]) == ("1", "application/x")
    assert "x-secret" not in head
    assert server.requests[0].endswith(b"\r\n\r\nnull")


@pytest.mark.parametrize("more", [{}, {"body": {"ä": 1}}, {"method": "GET"}])
async def test_the_signature_is_that_of_the_sent_body(server: Server, more: dict[str, Any]) -> None:
    secrets = [b"a" * 24, b"b" * 64]
    of_hosts = [WebhookSecret("127.0.0.1", secret) for secret in secrets]
    of_others = [WebhookSecret(None, b"c" * 24), WebhookSecret("localhost", b"d" * 24)]
    await run(http_request_task(LOOPBACK, [*of_hosts, *of_others]), {"url": f"http://127.0.0.1:{server.port}/", **more})
    head, body = server.head(), server.requests[0].partition(b"\r\n\r\n")[2]
    assert head["webhook-id"] == f"{UUID(int=1)}-2"
    assert abs(int(head["webhook-timestamp"]) - time.time()) < 60
    assert (
        head["webhook-signature"]
        == (signature_headers(secrets, head["webhook-id"], int(head["webhook-timestamp"]), body)["Webhook-Signature"])
    )


async def test_without_secrets_nothing_is_signed(server: Server) -> None:
    await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"})
    assert not any(name.startswith("webhook") for name in server.head())


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
async def test_a_payload_without_a_body_sends_none(server: Server, method: str) -> None:
    server.response = response("204 No Content")
    await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}", "method": method})
    assert server.requests[0].startswith(method.encode() + b" / HTTP/1.1\r\n")
    assert server.requests[0].endswith(b"\r\n\r\n")
    assert "content-type" not in server.head()


SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "[::1]",
    "localhost",
    "LOCALHOST",
    "[::ffff:127.0.0.1]",
    "0",
]


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_loopback_passes(server: Server, host: str) -> None:
    with pytest.raises(Fail, match="DUEBOOK_HTTP_ALLOW") as failed:
        await run(http_request_task(()), {"url": f"http://{host}:{server.port}/"})
    assert failed.value.retry is False
    assert server.connections == 0


async def test_a_refused_address_is_named_with_the_remedy(server: Server) -> None:
    refusal = "HTTP tasks reach public addresses only; to permit it, executors need DUEBOOK_HTTP_ALLOW=127.0.0.1"
    for host, what in (("127.0.0.1", "127.0.0.1 is"), ("127.1", "127.1 has the address 127.0.0.1,")):
        with pytest.raises(Fail) as failed:
            await run(http_request_task(()), {"url": f"http://{host}:{server.port}/"})
        assert str(failed.value) == f"refused: {what} a loopback address, and {refusal}"


async def test_interim_answers_without_end_fail(server: Server) -> None:
    server.response, server.endless = b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100
    with pytest.raises(Fail, match="did not begin within 262144 bytes"):
        await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"})
    await asyncio.wait_for(server.client_left.wait(), 60)


async def test_a_large_answer_is_not_taken_for_a_head_without_end(server: Server) -> None:
    server.response = response("200 OK", b"x" * 1_000_000)
    assert (await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"}))["status"] == 200


async def test_a_request_has_a_limit_of_its_own() -> None:
    quick = http_request_task(LOOPBACK, longest=timedelta(seconds=0.2))
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # the kernel accepts, and nothing ever answers
        pytest.raises(Fail, match=r"took longer than 0\.2 s, the limit of DUEBOOK_HTTP_TIMEOUT"),
    ):
        await run(quick, {"url": f"http://127.0.0.1:{silent.getsockname()[1]}/"})


async def test_a_name_is_resolved_once_and_the_checked_address_used(server: Server) -> None:
    addresses = ["127.0.0.2", "127.0.0.1"]
    resolved = []

    async def rebinding(host: str, port: int) -> list[Address]:
        resolved.append((host, port))
        return [ip_address(addresses[len(resolved) - 1])]

    task = http_request_task(parse_allow("127.0.0.2/32"), resolve=rebinding)
    payload = {"url": f"http://rebinding.invalid:{server.port}/"}
    with pytest.raises(Fail, match=r"no connection to rebinding\.invalid"):
        await run(task, payload)  # nothing listens on 127.0.0.2
    assert resolved == [("rebinding.invalid", server.port)]
    with pytest.raises(Fail, match=r"rebinding\.invalid has the address 127\.0\.0\.1"):
        await run(task, payload)  # the next attempt resolves and checks again
    assert server.connections == 0


async def test_the_host_header_is_that_of_the_url(server: Server) -> None:
    task = http_request_task(LOOPBACK, resolve=fixed("127.0.0.1"))
    await run(task, {"url": f"http://hook.invalid:{server.port}/"})
    assert server.head()["host"] == f"hook.invalid:{server.port}"


async def test_the_other_address_family_is_tried_if_the_first_fails(server: Server) -> None:
    task = http_request_task(LOOPBACK, resolve=fixed("::1", "127.0.0.1"))
    assert (await run(task, {"url": f"http://hook.invalid:{server.port}/", "body": 1}))["status"] == 200
    assert server.requests[0].endswith(b"\r\n\r\n1")


async def test_a_proxy_in_the_environment_is_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.port}")
    with pytest.raises(Fail, match=r"127\.0\.0\.3"):
        await run(http_request_task(()), {"url": "http://127.0.0.3/"})
    assert server.connections == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_redirects_are_not_followed(server: Server, status: str) -> None:
    server.response = response(status, Location=f"http://127.0.0.1:{server.port}/other")
    with pytest.raises(
        Fail, match=rf"expected 200–299, got {status[:3]} from 127\.0\.0\.1:{server.port}: redirects are not followed"
    ) as failed:
        await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"})
    assert failed.value.retry is True
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["300 Multiple Choices", "304 Not Modified"])
async def test_a_status_that_is_no_redirect_is_not_called_one(server: Server, status: str) -> None:
    server.response = response(status)
    with pytest.raises(Fail, match=rf"expected 200–299, got {status[:3]} from 127\.0\.0\.1:{server.port}$"):
        await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"})


async def test_an_expected_redirect_is_a_result(server: Server) -> None:
    server.response = response("302 Found", Location=f"http://127.0.0.1:{server.port}/other")
    result = await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/", "expect": [302]})
    assert result["status"] == 302
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"x" * 4096, "x" * 4096),
        (b"x" * 100_000, "x" * 4096),
        (b"x" * 4095 + "ä".encode() * 9, "x" * 4095),
        (b"a\0b\xffc", "a\ufffdb\ufffdc"),
        (b"x\xc3", "x\ufffd"),
    ],
    ids=["whole", "cut", "cut inside a character", "not UTF-8", "incomplete character"],
)
async def test_the_first_4_kib_are_kept(server: Server, body: bytes, kept: str) -> None:
    server.response = response("200 OK", body)
    assert (await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"}))["body"] == kept


async def test_an_endless_body_is_read_no_further_than_kept(server: Server) -> None:
    server.response = b"HTTP/1.1 200 OK\r\n\r\n"
    server.endless = b"x" * 1024
    result = await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"})
    assert len(result["body"]) == 4096
    await asyncio.wait_for(server.client_left.wait(), 60)


async def test_a_compressed_body_is_not_decompressed(server: Server) -> None:
    server.response = response("200 OK", b"not gzip", Content_Encoding="gzip")
    assert (await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"}))["body"] == "not gzip"


async def test_an_unexpected_status_fails_and_its_body_is_logged(server: Server) -> None:
    server.response = response("503 Busy", b"try later")
    log: list[str] = []
    with pytest.raises(Fail) as failed:
        await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"}, log.append)
    expected = f"expected 200–299, got 503 from 127.0.0.1:{server.port}\ntry later"
    assert (str(failed.value), failed.value.retry) == (expected, True)
    assert log == ["503: try later"]


async def test_an_error_has_the_first_500_bytes_of_the_body(server: Server) -> None:
    server.response = response("500 Broken", ("x" + 400 * "ä").encode())
    with pytest.raises(Fail) as failed:
        await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"})
    assert str(failed.value).partition("\n")[2] == "x" + 249 * "ä"


@pytest.mark.parametrize("status", ["429 Too Many", "503 Busy"])
async def test_retry_after_sets_the_delay(server: Server, status: str) -> None:
    server.response = response(status, Retry_After="120")
    with pytest.raises(
        RetryAfter, match=f"got {status[:3]} from .*; the target requested a retry after 120 s"
    ) as later:
        await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"})
    assert later.value.delay == timedelta(seconds=120)


async def test_410_gone_fails_for_good(server: Server) -> None:
    server.response = response("410 Gone", Retry_After="120")
    with pytest.raises(Fail, match=r"expected 200–299, got 410 from .*: the target is gone") as failed:
        await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"})
    assert failed.value.retry is False


async def test_a_refused_connection_and_an_unknown_host_allow_a_retry() -> None:
    with pytest.raises(Fail, match=r"no connection to 127\.0\.0\.1") as refused:
        await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{free_port()}/"})

    async def unknown(host: str, port: int) -> list[Address]:
        raise socket.gaierror("Name or service not known")

    with pytest.raises(
        Fail, match=r"no connection to h\.invalid:80: h\.invalid does not resolve: Name"
    ) as unknown_host:
        await run(http_request_task((), resolve=unknown), {"url": "http://h.invalid/"})
    assert refused.value.retry is unknown_host.value.retry is True


@pytest.mark.parametrize("broken", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
async def test_a_broken_response_is_a_failure_with_its_cause(server: Server, broken: bytes) -> None:
    server.response = broken
    with pytest.raises(Fail, match=r"the exchange with 127\.0\.0\.1:\d+ failed: RemoteProtocolError") as failed:
        await run(http_request_task(LOOPBACK), {"url": f"http://127.0.0.1:{server.port}/"})
    assert failed.value.retry is True
