"""Requests reach public addresses and allowed networks, whatever a host name resolves to."""

import ssl
from functools import partial
from ipaddress import ip_address, ip_network
from uuid import UUID

import httpx2
import pytest

from duebook_executor.builtin import egress
from duebook_executor.builtin.egress import AddressRefused, GuardedTransport, parse_allow, permitted
from duebook_executor.builtin.resolver import Address, Resolver

INTERNAL = """
127.0.0.1 127.255.255.254 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1
100.100.100.200 192.0.0.8 192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 192.88.99.1
224.0.0.1 240.0.0.1 255.255.255.255 168.63.129.16 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
::ffff:224.0.0.1 64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1
2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 2002:7f00:1:: 2002:808:808::1 fc00::1 fd00:ec2::254
fe80::1 fe80::1%1 fec0::1 ff02::1 ff0e::1
"""
PUBLIC = "8.8.8.8 1.1.1.1 93.184.215.14 2606:4700:4700::1111 2001:4860:4860::8888 ::ffff:8.8.8.8"


@pytest.mark.parametrize("text", INTERNAL.split())
def test_addresses_that_may_lead_inside_are_refused(text: str) -> None:
    assert not permitted(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC.split())
def test_public_addresses_are_permitted(text: str) -> None:
    assert permitted(ip_address(text))


def test_an_allowed_network_is_permitted_and_no_other() -> None:
    allow = parse_allow(" 127.0.0.0/8,10.1.2.3 , fd00::/8,")
    assert allow == (ip_network("127.0.0.0/8"), ip_network("10.1.2.3/32"), ip_network("fd00::/8"))
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "fd12::1", "8.8.8.8"):
        assert permitted(ip_address(text), allow)
    for text in ("10.1.2.4", "::1", "169.254.169.254", "64:ff9b::7f00:1"):
        assert not permitted(ip_address(text), allow)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "10.0.0.0/33", "10.0.0.0/8 11.0.0.0/8"])
def test_an_invalid_network_is_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="is not a network or address") as error:
        parse_allow(f"127.0.0.1,{text}")
    assert repr(text) in str(error.value)


def test_no_network_is_allowed_by_default() -> None:
    assert parse_allow("") == ()


async def test_one_private_address_among_public_ones_is_refused() -> None:
    async def mixed(host: str, port: int) -> list[Address]:
        return [ip_address("8.8.8.8"), ip_address("2606:4700::1"), ip_address("10.0.0.1")]

    transport = GuardedTransport((), ssl.create_default_context(), mixed)
    with pytest.raises(AddressRefused, match=r"mixed\.example has the address 10\.0\.0\.1, a private address"):
        await transport.handle_async_request(httpx2.Request("GET", "http://mixed.example/"))


async def test_an_impossible_host_name_is_refused() -> None:
    transport = GuardedTransport((), ssl.create_default_context(), partial(Resolver().resolve, UUID(int=1)))
    with pytest.raises(AddressRefused, match="is not a host name"):
        await transport.handle_async_request(httpx2.Request("GET", f"http://{'a' * 64}.example/"))


def test_the_first_address_of_each_family_is_tried() -> None:
    given = [ip_address(text) for text in ("::1", "127.0.0.1", "::2", "127.0.0.2")]
    assert egress._one_per_family(given) == given[:2]
    assert egress._one_per_family(given[1:]) == given[1:3]
