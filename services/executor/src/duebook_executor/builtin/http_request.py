"""The task `http.request`: one HTTP request to a public address, or to a network in DUEBOOK_HTTP_ALLOW."""

import asyncio
import codecs
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import httpx2
from pydantic_core import to_json

from duebook.context import Context
from duebook.errors import Fail, RetryAfter
from duebook.tasks import Task
from duebook_executor.builtin.egress import CONNECT_SECONDS, AddressRefused, GuardedTransport, Network
from duebook_executor.builtin.http_payload import HttpRequest
from duebook_executor.builtin.resolver import Resolve, Resolver
from duebook_executor.builtin.signing import WebhookSecret, secrets_for, signature_headers

_KEPT_BYTES = 4096  # of the response's body
_SHOWN_BYTES = 500  # of it in an error
_LONGEST_RETRY_AFTER = timedelta(days=1)
# Only connecting has its own limit; the timeout of the attempt covers the rest.
_TIMEOUT = httpx2.Timeout(None, connect=CONNECT_SECONDS)


def http_request_task(
    allow: Sequence[Network],
    secrets: Sequence[WebhookSecret] = (),
    tls: ssl.SSLContext | None = None,
    resolve: Resolve | None = None,
    longest: timedelta = timedelta(hours=1),
) -> Task:
    """The task. It may reach public addresses and the networks in `allow`; the `secrets` of its host sign a request.

    A request takes at most `longest`, whatever the timeout of its job.
    """
    verify, resolver = tls or httpx2.create_ssl_context(trust_env=False), Resolver()

    async def http_request(payload: HttpRequest, context: Context) -> dict[str, Any]:
        try:
            # A new transport for each request: see GuardedTransport.
            transport = GuardedTransport(allow, verify, resolve or partial(resolver.resolve, context.job_id))
            async with asyncio.timeout(longest.total_seconds()):
                return await _request(payload, context, secrets, transport)
        except TimeoutError:
            limit = f"{longest.total_seconds():g} s, the limit of DUEBOOK_HTTP_TIMEOUT"
            raise Fail(f"the exchange with {_host(payload)} took longer than {limit}") from None
        except AddressRefused as refusal:
            raise Fail(f"refused: {refusal}", retry=False) from None
        except httpx2.ConnectTimeout:
            raise Fail(f"no connection to {_host(payload)} within {CONNECT_SECONDS:g} s") from None
        except httpx2.ConnectError as error:
            raise Fail(f"no connection to {_host(payload)}: {error}") from error
        except httpx2.HTTPError as error:
            raise Fail(f"the exchange with {_host(payload)} failed: {type(error).__name__} {error}".rstrip()) from error

    return Task.of("http.request", http_request, inline=True)


async def _request(
    payload: HttpRequest, context: Context, secrets: Sequence[WebhookSecret], transport: GuardedTransport
) -> dict[str, Any]:
    """Send the request; the status of the response decides about success."""
    content = to_json(payload.body) if payload.sends_body() else None
    # The same for every attempt; without a full stop, which separates the parts of the signed content.
    id_ = context.idempotency_key.replace(".", "-")
    own = secrets_for(secrets, httpx2.URL(payload.url).raw_host.decode())
    headers = _headers(payload, context) | signature_headers(own, id_, int(time.time()), content or b"")
    async with (
        httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=_TIMEOUT) as client,
        client.stream(payload.method, payload.url, headers=headers, content=content) as response,
    ):
        if payload.expects(response.status_code):
            return {"status": response.status_code, "body": await _body_start(response)}
        # The body often explains the status; the attempt must fail with the status even if the body is slow.
        body = ""
        with suppress(httpx2.HTTPError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                body = await _body_start(response)
                context.log(f"{response.status_code}: {body}")
        raise _unexpected(payload, response, body)


def _headers(payload: HttpRequest, context: Context) -> dict[str, str]:
    given = {name.lower() for name in payload.headers}
    content_type = {"Content-Type": "application/json"} if payload.sends_body() and "content-type" not in given else {}
    user_agent = {} if "user-agent" in given else {"User-Agent": "Duebook"}
    trace = {name: context.headers[name] for name in ("traceparent", "tracestate") if name in context.headers}
    return {
        **user_agent,
        **content_type,
        **payload.headers,
        **trace,
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Idempotency-Key": context.idempotency_key,
        "Duebook-Run": str(context.run_id),
        "Duebook-Attempt": str(context.attempt),
    }


async def _body_start(response: httpx2.Response) -> str:
    """The first 4 KiB of the body as text; no more is read into memory."""
    kept = b""
    # The raw bytes: a compressed body, which we did not accept, could expand to any size.
    async for chunk in response.aiter_raw():
        kept += chunk[: _KEPT_BYTES + 1 - len(kept)]
        if len(kept) > _KEPT_BYTES:
            break
    # A character cut in two is omitted; PostgreSQL's text cannot hold a NUL.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(kept[:_KEPT_BYTES], final=len(kept) <= _KEPT_BYTES).replace("\0", "\ufffd")


def _unexpected(payload: HttpRequest, response: httpx2.Response, body: str) -> Exception:
    """The failure with the begin of the body on the lines below: `fingerprint` leaves those out."""
    status, begin = response.status_code, body.encode()[:_SHOWN_BYTES].decode(errors="ignore").strip()
    message, below = (
        f"expected {payload.expectation()}, got {status} from {_host(payload)}",
        f"\n{begin}" if begin else "",
    )
    if status == 410:
        return Fail(f"{message}: the target is gone{below}", retry=False)
    if status in {301, 302, 303, 307, 308}:
        return Fail(f"{message}: redirects are not followed{below}")
    if status in (429, 503) and (delay := retry_after(response.headers, datetime.now(UTC))) is not None:
        return RetryAfter(delay, f"{message}; the target requested a retry after {delay.total_seconds():g} s{below}")
    return Fail(f"{message}{below}")


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The delay of the `Retry-After` header (RFC 9110, section 10.2.3), at most a day; None without a valid one."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), _LONGEST_RETRY_AFTER)
    at = _http_date(text)
    if at is None:
        return None
    # By the target's own clock, if the response has a date.
    delay = at - (_http_date(headers.get("date", "")) or now)
    return min(max(delay, timedelta(0)), _LONGEST_RETRY_AFTER)


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _host(payload: HttpRequest) -> str:
    """Host and port."""
    url = httpx2.URL(payload.url)
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"
