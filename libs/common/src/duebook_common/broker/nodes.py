"""Connecting to one of the nodes of a cluster: the library connects to one address only.

A URL may name several hosts, `amqp://user:password@host1,host2:5672/vhost`, and a host may have several addresses. Each
attempt to connect tries all of them in random order, so that services spread over the nodes, and each that is silent
costs no more than five seconds. A host without an address is left out, with a warning, while another one has one.
"""

import asyncio
import random
import re
import socket
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import aio_pika.connection
import structlog
from aio_pika.abc import TimeoutType, UnderlayConnection
from aiormq.abc import AbstractConnection
from aiormq.exceptions import AuthenticationError, InvalidFrameError, ProbableAuthenticationError
from yarl import URL

from duebook_common.runtime.startup import reason

log = structlog.stdlib.get_logger("nodes")

_HOSTS = "hosts"  # the parameter that carries the further hosts through the libraries
_SECONDS, _SECONDS_OF_MANY = 10.0, 5.0  # to connect to a single address, to each of several
_PORTS = {"amqp": 5672, "amqps": 5671}
_REFUSALS = (AuthenticationError, ProbableAuthenticationError, InvalidFrameError)  # the last: of a virtual host
_REMEDY = "correct its name in DUEBOOK_RABBITMQ_URL or in DNS, or remove it from the URL"
_left_out: set[str] = set()  # the hosts of which the log says already that they have no address


def with_one_host(url: str) -> str:
    """The URL in the form that libraries read: with the first of its hosts, and the others in a parameter."""
    scheme, rest = url.split("://", 1)
    end = len(re.split("[/?#]", rest, maxsplit=1)[0])
    user, at, hosts = rest[:end].rpartition("@")
    first, *others = hosts.split(",")
    single = f"{scheme}://{user}{at}{first}{rest[end:]}"
    return str(URL(single).update_query({_HOSTS: ",".join(others)})) if others else single


class Node(NamedTuple):
    """One address to connect to, and the name that a certificate has to bear."""

    url: URL
    name: str

    @property
    def options(self) -> dict[str, str]:
        return {"server_hostname": self.name} if self.url.scheme == "amqps" else {}


def hosts_of(url: URL) -> list[URL]:
    """The URL once for each of its hosts."""
    others = url.query.get(_HOSTS)
    single = url.without_query_params(_HOSTS)
    named = (URL(f"//{other}") for other in others.split(",")) if others else ()
    return [single, *(single.with_host(host.host or "").with_port(host.explicit_port) for host in named)]


async def nodes_of(url: URL) -> list[Node]:
    """All addresses of all hosts, in random order. Warns of a host without one. Raises OSError if no host has one."""
    hosts = hosts_of(url)
    found = await asyncio.gather(*map(_addresses, hosts), return_exceptions=True)
    nodes = [
        Node(host.with_host(address), host.host or "")
        for host, addresses in zip(hosts, found, strict=True)
        if not isinstance(addresses, BaseException)
        for address in addresses
    ]
    if not nodes:
        raise next(each for each in found if isinstance(each, BaseException))
    for host, addresses in zip(hosts, found, strict=True):
        _note(host.host or "", addresses if isinstance(addresses, BaseException) else None)
    return random.sample(nodes, len(nodes))


def _note(host: str, error: BaseException | None) -> None:
    """Log a host that is left out, and one that is no longer: each change once, not each connection."""
    if error is None:
        if host in _left_out:
            log.info("a host of RabbitMQ has an address again", host=host)
        _left_out.discard(host)
    elif host not in _left_out:
        log.warning("a host of RabbitMQ is left out", host=host, reason=reason(error), remedy=_REMEDY)
        _left_out.add(host)


async def _addresses(host: URL) -> Sequence[str]:
    async with asyncio.timeout(_SECONDS):
        infos = await asyncio.get_running_loop().getaddrinfo(
            host.host, host.port or _PORTS.get(host.scheme), type=socket.SOCK_STREAM
        )
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def clearest(errors: Mapping[Node, Exception]) -> Exception:
    """Of the errors of all nodes one by which a node refuses the URL, else that of the first node by name.

    So that attempts that fail alike say the same.
    """
    in_order = [errors[node] for node in sorted(errors, key=lambda node: (node.name, str(node.url)))]
    return next((error for error in in_order if isinstance(error, _REFUSALS)), in_order[0])


class NodesUnderlayConnection(UnderlayConnection):
    """In the place of the library's class, which `install` replaces."""

    @classmethod
    async def make_connection(cls, url: URL, timeout: TimeoutType = None, **options: Any) -> AbstractConnection:
        """A connection to the first node that takes it; each may take so many seconds. Raises what one of them says."""
        errors: dict[Node, Exception] = {}
        nodes = await nodes_of(url)
        longest = timeout or (_SECONDS if len(nodes) == 1 else _SECONDS_OF_MANY)
        for node in nodes:
            try:
                return await super().make_connection(node.url, longest, **options, **node.options)
            except Exception as error:
                errors[node] = error
        raise clearest(errors)


def install() -> None:
    """Let all connections of this process find the nodes."""
    aio_pika.connection.UnderlayConnection = NodesUnderlayConnection  # type: ignore[attr-defined]
