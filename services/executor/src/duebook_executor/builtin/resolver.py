"""Looks up the host names of users' requests, in threads of its own.

The system's resolver blocks its thread, for as long as half a minute where a name server never answers. The event
loop's own resolver has a few threads, which also look up our servers when a connection is lost. So a lookup here gets a
thread of its own, and the threads of one job, of one domain and of all are bounded.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from uuid import UUID
from weakref import WeakValueDictionary

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]

LOOKUP_SECONDS = 5.0
_MOST, _MOST_OF_DOMAIN, _MOST_OF_JOB = 200, 8, 4  # lookups at once
_SHARED = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})  # below a country, like co.uk
_MOST_FAILED, _FAILED_SECONDS = 10_000, 5.0


class _Lookup:
    """One lookup in its thread. `addresses` is done when the thread ends, which may be long after all have left it."""

    def __init__(self, permits: Sequence[asyncio.Semaphore]) -> None:
        self.since = time.monotonic()
        self.addresses: asyncio.Future[list[Address]] = asyncio.get_running_loop().create_future()
        self._permits = permits

    def end(self, addresses: list[Address], error: BaseException | None) -> None:
        for permit in self._permits:
            permit.release()
        if error is None:
            self.addresses.set_result(addresses)
        else:
            self.addresses.set_exception(error)
            self.addresses.exception()  # it counts as seen, also if all have left


class Resolver:
    """Looks up names. Equal names share a lookup; a name that has just failed is not looked up again at once."""

    def __init__(self) -> None:
        self._lookups: dict[str, _Lookup] = {}
        self._failed: dict[str, tuple[float, str]] = {}
        self._all = asyncio.Semaphore(_MOST)
        self._by_group: WeakValueDictionary[object, asyncio.Semaphore] = WeakValueDictionary()

    async def resolve(self, job_id: UUID, host: str, port: int) -> Sequence[Address]:
        """All addresses of the host, in order of preference; raises OSError if none is found in time."""
        name = host.lower()
        self._must_not_have_failed(name)
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                lookup = self._lookups.get(name) or await self._start(job_id, name, port)
                return await asyncio.shield(lookup.addresses)
        except TimeoutError:
            raise self._remember(name, f"no answer within {LOOKUP_SECONDS:g} s") from None
        except OSError as error:
            raise self._remember(name, str(error)) from error

    async def _start(self, job_id: UUID, name: str, port: int) -> _Lookup:
        groups = (self._bound(job_id, _MOST_OF_JOB), self._bound(_domain(name), _MOST_OF_DOMAIN), self._all)
        lookup = _Lookup(await _acquire(groups))
        self._lookups[name] = lookup
        lookup.addresses.add_done_callback(lambda _: self._lookups.pop(name, None))
        loop = asyncio.get_running_loop()
        arguments = (name, port, loop, lookup)
        threading.Thread(target=_look_up, args=arguments, name="duebook-lookup", daemon=True).start()
        return lookup

    def _bound(self, group: object, most: int) -> asyncio.Semaphore:
        return self._by_group.setdefault(group, asyncio.Semaphore(most))

    def _must_not_have_failed(self, name: str) -> None:
        lookup = self._lookups.get(name)
        if lookup is not None and (waited := time.monotonic() - lookup.since) > LOOKUP_SECONDS:
            raise OSError(f"no answer for {waited:.0f} s")
        until, error = self._failed.get(name, (0.0, ""))
        if time.monotonic() < until:
            raise OSError(error)

    def _remember(self, name: str, error: str) -> OSError:
        if len(self._failed) >= _MOST_FAILED:
            self._failed.clear()
        self._failed[name] = (time.monotonic() + _FAILED_SECONDS, error)
        return OSError(error)


async def _acquire(semaphores: Sequence[asyncio.Semaphore]) -> Sequence[asyncio.Semaphore]:
    """Acquire all, or none if this is cancelled."""
    acquired = list[asyncio.Semaphore]()
    try:
        for semaphore in semaphores:
            await semaphore.acquire()
            acquired.append(semaphore)
    except BaseException:
        for semaphore in acquired:
            semaphore.release()
        raise
    return acquired


def _look_up(name: str, port: int, loop: asyncio.AbstractEventLoop, lookup: _Lookup) -> None:
    addresses, failure = list[Address](), None
    try:
        entries = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(ip_address(entry[4][0]) for entry in entries))
    except Exception as error:
        failure = error
    if not loop.is_closed():
        loop.call_soon_threadsafe(lookup.end, addresses, failure)


def _domain(name: str) -> str:
    """The labels whose name servers most likely answer for it: the last two, or three where strangers share two."""
    labels = name.rstrip(".").split(".")
    is_shared = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SHARED
    return ".".join(labels[-3:] if is_shared else labels[-2:])
