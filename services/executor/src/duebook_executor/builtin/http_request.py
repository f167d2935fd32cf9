"""The task `http.request`: one HTTP request to a public address, or to a network that is allowed."""

import asyncio
import codecs
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
from pydantic_core import to_json

from duebook.tasks import Context, Fail, RetryAfter, Task
from duebook_executor.builtin.egress import CONNECT_SECONDS, GuardedTransport, Network, Refused, Resolve, resolve
from duebook_executor.builtin.http_payload import HttpRequest
from duebook_executor.builtin.signing import signed

_KEPT = 4096
_LONGEST_RETRY_AFTER = timedelta(days=1)
# Only connecting has a limit of its own; the attempt's timeout ends everything else.
_TIMEOUT = httpx2.Timeout(None, connect=CONNECT_SECONDS)


def http_request_task(
    allow: Sequence[Network],
    secrets: Sequence[bytes] = (),
    tls: ssl.SSLContext | None = None,
    resolve: Resolve = resolve,
) -> Task:
    """The task, bound to the networks that it may reach although they are private, and to the secrets that sign."""
    verify = tls or httpx2.create_ssl_context(trust_env=False)

    async def http_request(payload: HttpRequest, context: Context) -> dict[str, Any]:
        try:
            # A transport of its own for each request: see GuardedTransport.
            return await _request(payload, context, secrets, GuardedTransport(allow, verify, resolve))
        except Refused as refusal:
            raise Fail(f"refused: {refusal}", retry=False) from None
        except httpx2.ConnectTimeout:
            raise Fail(f"no connection to {_host(payload)} within {CONNECT_SECONDS:g} s") from None
        except httpx2.ConnectError as error:
            raise Fail(f"no connection to {_host(payload)}: {error}") from error
        except httpx2.HTTPError as error:
            raise Fail(f"{_host(payload)} broke off: {type(error).__name__} {error}".rstrip()) from error

    return Task.of("http.request", http_request, inline=True)


async def _request(
    payload: HttpRequest, context: Context, secrets: Sequence[bytes], transport: GuardedTransport
) -> dict[str, Any]:
    """Send, and judge the answer by its status."""
    content = to_json(payload.body) if payload.sends_body() else None
    # The same for each attempt; a full stop would part it where the signature's content is parted.
    id_ = context.idempotency_key.replace(".", "-")
    headers = _headers(payload, context) | signed(secrets, id_, int(time.time()), content or b"")
    async with (
        httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=_TIMEOUT) as client,
        client.stream(payload.method, payload.url, headers=headers, content=content) as response,
    ):
        if payload.expects(response.status_code):
            return {"status": response.status_code, "body": await _beginning(response)}
        # The body often says what was wrong; a slow one must not hide the status.
        with suppress(httpx2.HTTPError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                context.log(f"{response.status_code}: {await _beginning(response)}")
        raise _unexpected(payload, response)


def _headers(payload: HttpRequest, context: Context) -> dict[str, str]:
    theirs = payload.headers
    typed = any(name.lower() == "content-type" for name in theirs)
    json = {"Content-Type": "application/json"} if payload.sends_body() and not typed else {}
    agent = {} if any(name.lower() == "user-agent" for name in theirs) else {"User-Agent": "Duebook"}
    trace = {name: context.headers[name] for name in ("traceparent", "tracestate") if name in context.headers}
    return {
        **agent,
        **json,
        **theirs,
        **trace,
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Idempotency-Key": context.idempotency_key,
        "Duebook-Run": str(context.run_id),
        "Duebook-Attempt": str(context.attempt),
    }


async def _beginning(response: httpx2.Response) -> str:
    """The first 4 KiB as text: undecoded by any `Content-Encoding`, and never more of it in memory."""
    kept = b""
    # The raw bytes: a body packed against our will could unfold to any size.
    async for chunk in response.aiter_raw():
        kept += chunk[: _KEPT + 1 - len(kept)]
        if len(kept) > _KEPT:
            break
    # A character cut in two is left out; PostgreSQL's text cannot hold a NUL.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(kept[:_KEPT], final=len(kept) <= _KEPT).replace("\0", "\ufffd")


def _unexpected(payload: HttpRequest, response: httpx2.Response) -> Exception:
    status = response.status_code
    message = f"expected {payload.expectation()}, got {status}"
    if status == 410:
        return Fail(f"{message}: the target is gone", retry=False)
    if 300 <= status < 400:
        return Fail(f"{message}: redirects are not followed")
    if status in (429, 503) and (delay := retry_after(response.headers, datetime.now(UTC))) is not None:
        return RetryAfter(delay, f"{message}, which asks to come again after {delay.total_seconds():g} s")
    return Fail(message)


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The delay that `Retry-After` names in seconds or by a date, at most a day; None where it names none."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), _LONGEST_RETRY_AFTER)
    at = _date(text)
    if at is None:
        return None
    # By the target's own clock, where it tells its time.
    wait = at - (_date(headers.get("date", "")) or now)
    return min(max(wait, timedelta(0)), _LONGEST_RETRY_AFTER)


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _host(payload: HttpRequest) -> str:
    return httpx2.URL(payload.url).host
