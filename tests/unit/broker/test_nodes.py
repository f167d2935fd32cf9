"""A URL with several hosts becomes one that the client library reads, and its nodes again; which error is raised."""

import asyncio
import socket
from typing import Any

import pytest
from aiormq.exceptions import AMQPConnectionError, ProbableAuthenticationError
from structlog.testing import capture_logs
from yarl import URL

from duebook_common.broker import nodes
from duebook_common.broker.nodes import Node, clearest, hosts_of, nodes_of, with_one_host

_URL = "amqp://duebook:a,b%40c@mq1:5673,mq2,[::1]:5674/v%2Fhost?heartbeat=5"


def test_a_url_with_one_host_stays_as_it_is() -> None:
    for url in ("amqp://mq", "amqps://user:p,w@mq.example.com:5671/", "amqp://[::1]:5672/vhost?x=1#y"):
        assert with_one_host(url) == url
        assert hosts_of(URL(url)) == [URL(url)]


def test_a_url_with_several_hosts_names_each_with_its_port() -> None:
    single = URL(with_one_host(_URL))
    assert (single.host, single.port, single.password) == ("mq1", 5673, "a,b@c")
    hosts = hosts_of(single)
    assert [(host.host, host.explicit_port) for host in hosts] == [("mq1", 5673), ("mq2", None), ("::1", 5674)]
    assert {(host.user, host.password, host.raw_path, host.query_string) for host in hosts} == {
        ("duebook", "a,b@c", "/v%2Fhost", "heartbeat=5")
    }


async def test_each_address_of_each_host_is_a_node() -> None:
    found = await nodes_of(URL(with_one_host("amqps://127.0.0.1:1,no.such.host.invalid,127.0.0.2:2")))
    assert {(node.url.host, node.url.port, node.name) for node in found} == {
        ("127.0.0.1", 1, "127.0.0.1"),
        ("127.0.0.2", 2, "127.0.0.2"),
    }
    assert {node.options["server_hostname"] for node in found} == {"127.0.0.1", "127.0.0.2"}


async def test_a_host_that_is_left_out_is_logged_at_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    url, known = URL(with_one_host("amqp://127.0.0.1,mq2.internal")), set[str]()

    async def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        if host != "127.0.0.1" and host not in known:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 5672))]

    monkeypatch.setattr(nodes, "_left_out", set())
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    with capture_logs() as logs:
        for now_known in ((), (), ("mq2.internal",), ("mq2.internal",), ()):
            known.clear()
            known.update(now_known)
            await nodes_of(url)
    assert [(line["log_level"], line["host"]) for line in logs] == [
        ("warning", "mq2.internal"),
        ("info", "mq2.internal"),
        ("warning", "mq2.internal"),
    ]
    assert "Name or service not known" in logs[0]["reason"]
    assert "DUEBOOK_RABBITMQ_URL" in logs[0]["remedy"]


async def test_hosts_are_not_called_left_out_where_none_has_an_address() -> None:
    with capture_logs() as logs, pytest.raises(OSError, match=r"."):
        await nodes_of(URL(with_one_host("amqp://no.such.host.invalid,neither.this.invalid")))
    assert logs == []


async def test_without_any_address_the_resolver_says_why() -> None:
    with pytest.raises(OSError, match=r"."):
        await nodes_of(URL(with_one_host("amqp://no.such.host.invalid,neither.this.invalid")))


def test_a_refusal_goes_before_nodes_that_are_gone() -> None:
    first, second, third = (Node(URL(f"amqp://{name}"), name) for name in ("mq1", "mq2", "mq3"))
    gone, refused = AMQPConnectionError(111, "refused"), ProbableAuthenticationError("no")
    assert clearest({first: gone, second: refused, third: gone}) is refused
    assert clearest({first: gone}) is gone


def test_attempts_that_fail_alike_say_the_same_in_whatever_order() -> None:
    errors = {Node(URL(f"amqp://{name}"), name): AMQPConnectionError(name) for name in ("mq1", "mq2", "mq3")}
    assert clearest(errors) is clearest(dict(reversed(errors.items())))
