"""Users' names are looked up apart from all others, and a name that is never answered holds up no other."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_executor.builtin import resolver
from duebook_executor.builtin.resolver import Resolver

JOB = UUID(int=1)
SIX, FOUR = (socket.AF_INET6, 1, 6, "", ("2606:4700::1", 80, 0, 0)), (socket.AF_INET, 1, 6, "", ("8.8.8.8", 80))


class NameServers:
    """Stands for the system's resolver: names with this `ending` are not answered before the end of the test."""

    def __init__(self) -> None:
        self.queried: Counter[str] = Counter()
        self.ending = ".dead"
        self.test_ends = threading.Event()

    def getaddrinfo(self, name: str, *_: Any, **__: Any) -> list[Any]:
        self.queried[name] += 1
        if name.endswith(self.ending):
            self.test_ends.wait(60)
        if name == "unknown.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [SIX, FOUR, SIX]


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServers]:
    servers = NameServers()
    monkeypatch.setattr(socket, "getaddrinfo", servers.getaddrinfo)
    yield servers
    servers.test_ends.set()


async def test_addresses_come_once_each_in_order(servers: NameServers) -> None:
    assert list(map(str, await Resolver().resolve(JOB, "h.example", 80))) == ["2606:4700::1", "8.8.8.8"]


async def test_names_that_are_never_answered_hold_up_no_other(
    servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Resolver()
    monkeypatch.setattr(resolver, "LOOKUP_SECONDS", 60)
    dead = [asyncio.create_task(subject.resolve(uuid4(), f"host.zone-{n}.dead", 80)) for n in range(60)]
    while len(servers.queried) < 60:
        await asyncio.sleep(0.005)
    assert await subject.resolve(JOB, "h.example", 80)
    assert await asyncio.get_running_loop().getaddrinfo("our.database.example", 5432), "the loop's own threads"
    servers.test_ends.set()
    await asyncio.gather(*dead)


@pytest.mark.parametrize("group", ["job", "domain"])
async def test_a_job_and_a_domain_have_few_lookups_at_once(
    servers: NameServers, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    subject, most = Resolver(), {"job": 4, "domain": 8}[group]
    monkeypatch.setattr(resolver, "LOOKUP_SECONDS", 60)
    ids, zones = ([JOB] * 20, range(20)) if group == "job" else ([uuid4() for _ in range(20)], [0] * 20)
    names = [f"host-{n}.zone-{zone}.dead" for n, zone in enumerate(zones)]
    dead = [asyncio.create_task(subject.resolve(id_, name, 80)) for id_, name in zip(ids, names, strict=True)]
    while len(servers.queried) < most:
        await asyncio.sleep(0.005)
    assert await subject.resolve(UUID(int=2), "h.example", 80), "another job, another domain"
    assert len(servers.queried) == most + 1
    servers.test_ends.set()
    await asyncio.gather(*dead)


async def test_dead_names_of_one_domain_hold_up_no_other_below_the_same_public_suffix(
    servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Resolver()
    monkeypatch.setattr(resolver, "LOOKUP_SECONDS", 60)
    servers.ending = ".evil.co.uk"
    dead = [asyncio.create_task(subject.resolve(uuid4(), f"host-{n}.evil.co.uk", 80)) for n in range(8)]
    while len(servers.queried) < 8:
        await asyncio.sleep(0.005)
    async with asyncio.timeout(30):
        assert await subject.resolve(JOB, "www.victim.co.uk", 80)
    servers.test_ends.set()
    await asyncio.gather(*dead)


async def test_equal_names_share_a_lookup(servers: NameServers) -> None:
    subject = Resolver()
    shared = [asyncio.create_task(subject.resolve(uuid4(), "Host.dead", 80)) for _ in range(50)]
    while not servers.queried:
        await asyncio.sleep(0.005)
    servers.test_ends.set()
    await asyncio.gather(*shared)
    assert servers.queried == {"host.dead": 1}


async def test_a_lookup_has_a_timeout_and_an_overdue_name_fails_at_once(
    servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Resolver()
    monkeypatch.setattr(resolver, "LOOKUP_SECONDS", 0.01)
    with pytest.raises(OSError, match=r"no answer within 0\.01 s"):
        await subject.resolve(JOB, "host.dead", 80)
    monkeypatch.setattr(subject, "_failed", {})
    with pytest.raises(OSError, match="no answer for"):
        await subject.resolve(JOB, "host.dead", 80)
    assert servers.queried == {"host.dead": 1}


async def test_a_name_that_failed_is_not_looked_up_again_at_once(servers: NameServers) -> None:
    subject = Resolver()
    for _ in range(3):
        with pytest.raises(OSError, match="not known"):
            await subject.resolve(JOB, "unknown.example", 80)
    assert servers.queried == {"unknown.example": 1}
