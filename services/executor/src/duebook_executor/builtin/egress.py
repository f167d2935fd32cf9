"""Which addresses a user's HTTP request may reach: public ones, and the networks in DUEBOOK_HTTP_ALLOW.

This prevents server-side request forgery: a job must not reach metadata services or hosts of the internal network.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx2

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]

CONNECT_SECONDS = 5.0

# `ipaddress` calls these global (some only in some Python versions), although they may lead to internal addresses.
_INTERNAL = (
    ip_network("64:ff9b::/96"),  # NAT64: wraps any IPv4 address
    ip_network("64:ff9b:1::/48"),  # NAT64, local use
    ip_network("2002::/16"),  # 6to4: wraps any IPv4 address
    ip_network("2001::/23"),  # Teredo (2001::/32) and other protocol assignments
    ip_network("fec0::/10"),  # site-local, deprecated and still routed
    ip_network("192.88.99.0/24"),  # 6to4 relays
    ip_network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata
    ip_network("168.63.129.16/32"),  # Azure's host agent
)


class AddressRefused(Exception):
    """The host has an address that requests may not reach; a retry would be refused too."""


def parse_allow(text: str) -> tuple[Network, ...]:
    """Parse DUEBOOK_HTTP_ALLOW: networks or addresses, comma separated; raises ValueError."""
    return tuple(_network(part.strip()) for part in text.split(",") if part.strip())


def permitted(address: Address, allow: Sequence[Network] = ()) -> bool:
    """Whether a user's request may go to this address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in network for network in allow):
        return True
    if any(address in network for network in _INTERNAL):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


async def resolve(host: str, port: int) -> Sequence[Address]:
    """All addresses of the host, in order of preference; raises OSError if it has none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            entries = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise OSError(f"no answer within {CONNECT_SECONDS:g} s") from None
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in entries))


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """Resolves the host once, checks all its addresses, and connects to one of the checked addresses.

    A second resolution could return another address (DNS rebinding). The `Host` header and the name in the
    certificate stay those of the URL. One transport serves one request: connections are pooled by address, and another
    host name with the same address must not reuse one.
    """

    def __init__(self, allow: Sequence[Network], tls: ssl.SSLContext, resolve: Resolve = resolve) -> None:
        super().__init__(verify=tls, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))
        self._allow, self._resolve = allow, resolve

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        addresses = _one_per_family(await self._checked_addresses(request.url))
        for address in addresses[:-1]:
            try:
                return await super().handle_async_request(_pin(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue  # nothing was sent yet
        return await super().handle_async_request(_pin(request, addresses[-1]))

    async def _checked_addresses(self, url: httpx2.URL) -> Sequence[Address]:
        host = url.raw_host.decode("ascii")
        try:
            addresses = await self._resolve(host, url.port or (443 if url.scheme == "https" else 80))
        except UnicodeError as error:
            raise AddressRefused(f"{host} is not a host name: {error}") from error
        except OSError as error:
            raise httpx2.ConnectError(f"{host} does not resolve: {error}") from error
        # One private address among public ones is enough to refuse: the next resolution could return it first.
        for address in addresses:
            if not permitted(address, self._allow):
                raise AddressRefused(f"{host} has the address {address}, neither public nor in DUEBOOK_HTTP_ALLOW")
        return addresses


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network or address, such as 10.1.0.0/16 or 192.0.2.7: {error}") from None


def _one_per_family(addresses: Sequence[Address]) -> list[Address]:
    """The first IPv4 and the first IPv6 address: one family may be unreachable; trying more would only take time."""
    first: dict[int, Address] = {}
    for address in addresses:
        first.setdefault(address.version, address)
    return list(first.values())


def _pin(request: httpx2.Request, address: Address) -> httpx2.Request:
    """The same request to the address itself, with the host name of its URL for TLS."""
    name = request.url.raw_host.decode("ascii").rstrip(".")
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": name},
    )
