"""Faults at random on services and servers: killed, stopped, wiped, cut off, or with a stepped clock.

with Faults(stack, platform, smtp) as faults:
    for _ in range(300):
        faults.inflict(random)     # one to three at once; returns when all are over
print(faults.history)
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from threading import Thread
from typing import Self

from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.server import Server
from duebook_devstack.services import Service
from duebook_devstack.stack import Stack
from support.fleet import Platform
from support.proxy import Proxy
from support.smtp_server import Mailbox

_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
Fault = Callable[[Random], str]


class Clocks:
    """Clocks that a test can step, one for each name, by libfaketime; without it there are none."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.available = _FAKETIME.exists()

    def environment(self, name: str) -> dict[str, str]:
        """The variables with which a process has the clock `name`."""
        if not self.available:
            return {}
        self.step(name, 0)
        return {
            "LD_PRELOAD": str(_FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._directory / name),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, name: str, seconds: float) -> None:
        """From now on the clock is ahead of the true one by this much."""
        file = self._directory / name
        file.with_suffix(".new").write_text(f"{seconds:+f}\n")
        file.with_suffix(".new").replace(file)  # a reader never sees half a file
        file.chmod(0o644)


class Partitions:
    """Ways from one service to its servers, which a test can close and open again."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._proxies: list[Proxy] = []
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> dict[str, str]:
        """The variables that lead over these ways."""
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    async def _open(self) -> dict[str, str]:
        environment = {}
        for name, url in self._urls.items():
            proxy = await self._stack.enter_async_context(Proxy(url))
            self._proxies.append(proxy)
            environment[name] = proxy.url
        return environment

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def close(self, *, abruptly: bool) -> None:
        """Pass nothing on; `abruptly` also resets all connections."""
        for proxy in self._proxies:
            self._loop.call_soon_threadsafe(proxy.hold)
            if abruptly:
                self._loop.call_soon_threadsafe(proxy.cut)

    def open(self) -> None:
        for proxy in self._proxies:
            self._loop.call_soon_threadsafe(proxy.release)


def note_queues(stack: Stack) -> None:
    """Have RabbitMQ note its queues now: 3.10 does so late, and a queue that it has not noted survives no kill."""
    assert isinstance(stack.rabbitmq, RabbitMQ)
    stack.rabbitmq.evaluate("[dets:sync(Table) || Table <- dets:all()].")


class Faults:
    """The faults that can be inflicted, by target. A target has one fault at a time."""

    def __init__(self, stack: Stack, platform: Platform, smtp: Mailbox, clocks: Clocks, ways: Partitions) -> None:
        self._stack, self._platform, self._smtp, self._clocks, self._ways = stack, platform, smtp, clocks, ways
        self.history: list[str] = []
        self._threads = ThreadPoolExecutor(3)
        self._targets = self._all_targets()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    def inflict(self, random: Random) -> None:
        """Inflict one to three faults at once on different targets; returns when they are over."""
        targets = random.sample(sorted(self._targets), random.choice([1, 1, 1, 2, 3]))
        chosen = [(name, random.choice(self._targets[name]), Random(random.random())) for name in targets]
        started = time.strftime("%H:%M:%S")
        under_way = [(name, self._threads.submit(fault, chance)) for name, fault, chance in chosen]
        self.history += [f"{started} {name}: {each.result()}" for name, each in under_way]

    def _all_targets(self) -> dict[str, list[Fault]]:
        servers: dict[str, list[Fault]] = {}
        for server in (self._stack.postgres, self._stack.redis, self._stack.rabbitmq):
            assert isinstance(server, Server)
            servers[server.name] = _of_server(server)
        for server in (self._stack.redis, self._stack.rabbitmq):
            assert isinstance(server, Server)
            servers[server.name].append(_wiped(server))
        targets = {service.name: _of_service(service) for service in self._platform.services.values()}
        targets["executor-0"].append(self._cut_off)
        targets["mail"] = [self._mails_refused]
        if self._clocks.available:
            targets["clock"] = [self._clock_step]
        return servers | targets

    def _cut_off(self, random: Random) -> str:
        abruptly, seconds = random.random() < 0.5, random.uniform(0.5, 6)
        self._ways.close(abruptly=abruptly)
        time.sleep(seconds)
        self._ways.open()
        return f"cut off for {seconds:.1f} s{' abruptly' * abruptly}"

    def _mails_refused(self, random: Random) -> str:
        self._smtp.answer = "451 later"
        time.sleep(random.uniform(0.5, 3))
        self._smtp.answer = None
        return "refused"

    def _clock_step(self, random: Random) -> str:
        """The database's clock is everybody's; a service's own counts for nothing but its log."""
        seconds = random.uniform(-4, 4)
        self._clocks.step("postgres", seconds)
        return f"of PostgreSQL stepped to {seconds:+.1f} s"


def _of_service(service: Service) -> list[Fault]:
    def killed(random: Random) -> str:
        service.kill()
        time.sleep(random.uniform(0, 2))
        service.start()
        return "killed"

    def stopped(_: Random) -> str:
        code = service.stop()
        service.start()
        return f"stopped with exit code {code}"

    def suspended(random: Random) -> str:
        seconds = random.uniform(0.5, 6)
        service.pause()
        time.sleep(seconds)
        service.resume()
        return f"suspended for {seconds:.1f} s"

    return [killed, stopped, suspended]


def _of_server(server: Server) -> list[Fault]:
    def killed(random: Random) -> str:
        server.kill()
        time.sleep(random.uniform(0, 2))
        server.start()
        return "killed"

    def restarted(_: Random) -> str:
        server.restart()
        return "restarted"

    def suspended(random: Random) -> str:
        seconds = random.uniform(0.5, 5)
        server.pause()
        time.sleep(seconds)
        server.resume()
        return f"suspended for {seconds:.1f} s"

    return [killed, restarted, suspended]


def _wiped(server: Server) -> Fault:
    def wiped(_: Random) -> str:
        server.wipe()
        return "wiped"

    return wiped
