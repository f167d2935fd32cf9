"""Which addresses a user's HTTP request may reach: public ones, and the networks in DUEBOOK_HTTP_ALLOW.

This prevents server-side request forgery: a job must not reach metadata services or hosts of the internal network.
"""

import ssl
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

import httpx2

from duebook_executor.builtin.resolver import Address, Resolve
from duebook_executor.builtin.response_head import HeadLimit

Network = IPv4Network | IPv6Network

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


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """Resolves the host once, checks all its addresses, and connects to one of the checked addresses.

    A second resolution could return another address (DNS rebinding). The `Host` header and the name in the
    certificate stay those of the URL. One transport serves one request: connections are pooled by address, and another
    host name with the same address must not reuse one.
    """

    def __init__(self, allow: Sequence[Network], tls: ssl.SSLContext, resolve: Resolve) -> None:
        super().__init__(verify=tls, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))
        self._allow, self._resolve = allow, resolve
        # httpx2 has no parameter for it; `test_interim_answers_without_end_fail` notices if the name changes.
        self._head_limit = HeadLimit(self._pool._network_backend)  # noqa: SLF001
        self._pool._network_backend = self._head_limit  # noqa: SLF001

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._send(request)
        self._head_limit.head_has_come = True
        return response

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
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
                raise AddressRefused(_refusal(host, address))
        return addresses


def _refusal(host: str, address: Address) -> str:
    """The cause and the remedy."""
    spelled = f"{host} is" if host == str(address) else f"{host} has the address {address},"
    remedy = f"to permit it, executors need DUEBOOK_HTTP_ALLOW={address}"
    return f"{spelled} {_kind(address)}, and HTTP tasks reach public addresses only; {remedy}"


def _kind(address: Address) -> str:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    kinds = {
        "a loopback address": address.is_loopback,
        "a link-local address": address.is_link_local,
        "a multicast address": address.is_multicast,
        "a private address": address.is_private,
    }
    return next((kind for kind, applies in kinds.items() if applies), "an address that may lead inside")


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
