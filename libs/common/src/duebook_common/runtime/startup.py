"""How a starting service waits for its servers: for ever, but for what waiting cannot mend."""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import structlog

from duebook_common.runtime.health import Health
from duebook_common.runtime.loops import detect_lost_connection

T = TypeVar("T")

log = structlog.stdlib.get_logger("startup")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0  # seconds
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of an object in memory: it differs from attempt to attempt
# The other side went away in the middle of the handshake, as a server does that is starting or stopping.
_INTERRUPTED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class CannotStart(Exception):
    """Waiting does not mend this; the message names the setting or the code, the cause and the remedy."""

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Server(NamedTuple):
    """A server that a service needs. `refusal` says what is wrong with its URL, if an error says so."""

    component: str
    url: str
    refusal: Callable[[Exception], str | None]

    @property
    def address(self) -> str:
        """Host and port; a URL has no password here."""
        try:
            return urlsplit(self.url).netloc.rpartition("@")[2] or self.component
        except ValueError:
            return self.component


async def wait_for(health: Health, server: Server, attempt: Callable[[], Awaitable[T]]) -> T:
    """Repeat the attempt until it succeeds, and return its result. `/readyz` shows the reason, and the log each change.

    Raises CannotStart with what the server's `refusal` says about an error that will not go away.
    """
    for failures in range(1_000_000_000):
        try:
            result = await detect_lost_connection(attempt())
        except Exception as error:
            if text := server.refusal(error):
                raise CannotStart(text) from error
            _note(health, server, f"{server.address}: {reason(error)}")
            await asyncio.sleep(min(_FIRST_PAUSE * 2 ** min(failures, 10), _LONGEST_PAUSE))
        else:
            if health.waiting.pop(server.component, None):
                log.info("the wait is over", component=server.component)
            return result
    raise AssertionError("unreachable")


def _note(health: Health, server: Server, why: str) -> None:
    if health.waiting.get(server.component) != why:
        log.warning("waiting", component=server.component, reason=why)
        health.waiting[server.component] = why


def reason(error: BaseException) -> str:
    """What went wrong, on one line."""
    text = " ".join(_ADDRESS.sub("", str(error)).split())[:300]
    return text or type(error).__name__


def tls_refusal(error: BaseException) -> str | None:
    """Why TLS was refused, if that is the cause of the error."""
    for each in _causes(error):
        if isinstance(each, ssl.SSLError) and not isinstance(each, _INTERRUPTED):
            return f"TLS was refused: {reason(each)}"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            pending += [each.__cause__, each.__context__, *(arg for arg in each.args if isinstance(arg, BaseException))]
