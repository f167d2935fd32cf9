"""The system under test: servers with full durability and one process of each service."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil

from duebook_common.integrity.migrate import migrate
from duebook_devstack.ports import free_port
from duebook_devstack.services import PORTS, Service
from duebook_devstack.stack import Stack

_IDLE = 0.2  # CPU seconds per second of all processes together


class Bench:
    """The servers, the services and a client of the API; reports the CPU time of each process."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        own = {"DUEBOOK_AUTH": "off", "DUEBOOK_LOG_LEVEL": "warning", "DUEBOOK_TASKS": "benchmarks.tasks"}
        self.environment = {**stack.environment, **own}
        self._ports = {kind: free_port() for kind in PORTS}
        self.set_environment()
        self.api = httpx2.Client(base_url=self.services["api"].url, timeout=60, trust_env=False)

    def set_environment(self, **variables: str) -> None:
        """Add variables for services that have not been started."""
        self.environment |= variables
        stack_dir = self.stack.stack_dir
        self.services = {kind: Service(stack_dir, kind, port, self.environment) for kind, port in self._ports.items()}

    def start(self) -> None:
        for service in self.services.values():
            service.start()
        for service in self.services.values():
            service.await_ready()

    def add(self, kind: str, number: int) -> Service:
        """One more service of a kind, ready."""
        added = Service(self.stack.stack_dir, f"{kind}-{number}", free_port(), self.environment)
        self.services[added.name] = added
        added.start()
        added.await_ready()
        return added

    def remove(self, added: Service) -> None:
        self.services.pop(added.name).stop()

    def stop(self) -> None:
        self.api.close()
        for service in self.services.values():
            service.stop()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        answer = self.api.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    def cpu(self) -> dict[str, float]:
        """CPU seconds used so far, by service and by server; a server's value includes its child processes."""
        used = {kind: _cpu(service.process.pid) for kind, service in self.services.items() if service.process}
        for server in (self.stack.postgres, self.stack.rabbitmq, self.stack.redis):
            process = getattr(server, "process", None)
            if process is not None:
                used[server.name] = _cpu(process.pid)
        return used

    async def at_rest(self, seconds: float = 10) -> dict[str, tuple[float, float]]:
        """The share of a core, in percent, and the memory in MiB that each service takes while nothing is due."""
        await self.settle()
        before = self.cpu()
        await asyncio.sleep(seconds)
        after = self.cpu()
        return {
            kind: (
                (after[kind] - before[kind]) / seconds * 100,
                psutil.Process(service.process.pid).memory_info().rss / 2**20,
            )
            for kind, service in self.services.items()
            if service.process
        }

    async def settle(self, seconds: float = 60) -> None:
        """Wait until the work that follows a measurement, such as mails and vacuuming, is finished."""
        deadline, before = time.monotonic() + seconds, sum(self.cpu().values())
        while time.monotonic() < deadline:
            await asyncio.sleep(1)
            used = sum(self.cpu().values()) - before
            if used < _IDLE:
                return
            before += used


def _cpu(pid: int) -> float:
    """Seconds of user and system time of a process and its children, including ended ones."""
    total = 0.0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        total += times.children_user + times.children_system if process.pid == pid else 0
    return total


@contextmanager
def running(*, services: bool = True) -> Iterator[Bench]:
    """A bench on its own servers, which are removed in the end; its services run already, unless told otherwise."""
    with tempfile.TemporaryDirectory(prefix="duebook-bench-") as path:
        Path(path).chmod(0o711)
        with Stack(Path(path), report=lambda line: print(line, file=sys.stderr)) as stack:
            migrate(stack.postgres.url)
            bench = Bench(stack)
            try:
                if services:
                    bench.start()
                yield bench
            finally:
                bench.stop()


def machine() -> str:
    cores = subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout.strip()
    python = f"Python {sys.version.split()[0]} of {sys.base_prefix}"  # how it was compiled is a fifth of our CPU
    return f"{cores} cores, {python}, load {psutil.getloadavg()[0]:.1f} at the start"
