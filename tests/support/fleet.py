"""Duebook's services as real processes, any number of each, and a small client for the API.

platform.start("api")
platform.start("executor", copies=2, DUEBOOK_LEASE="PT2S")
job = platform.create(name="nightly", task="log")
run = platform.await_run(job["id"], "succeeded")
platform["executor", 1].kill()
"""

import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.ports import free_port
from duebook_devstack.services import PORTS, Service
from duebook_devstack.stack_dir import StackDir
from support import servers
from support.forked import ForkedService
from support.kept_connection import KeptConnection

T = TypeVar("T")
_DEFAULTS = {
    "DUEBOOK_AUTH": "off",
    "DUEBOOK_GRACE": "PT5S",
    "DUEBOOK_MAIL_FROM": "duebook@example.com",
    "DUEBOOK_MAIL_LIMIT": "off",
}


class Platform:
    """Services on given servers. `environment` holds the settings of all services; leaving kills every service."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {**_DEFAULTS, "PYTHONPATH": os.path.dirname(__file__), **environment}  # noqa: PTH120
        self.stack_dir = StackDir(servers.private_path())
        self.services: dict[tuple[str, int], Service] = {}
        self._api: httpx2.Client | None = None
        self._database = KeptConnection()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        for service in self.services.values():
            service.kill()
            print(f"--- {service.name}", *service.log.read_text(encoding="utf-8").splitlines()[-20:], sep="\n")
        if self._api:
            self._api.close()
        self._database.close()
        self.stack_dir.close()

    def __getitem__(self, which: tuple[str, int]) -> Service:
        """One copy by kind and number from 0, to `stop kill pause resume start await_ready`; it has a `log`."""
        return self.services[which]

    def start(self, kind: str, *, copies: int = 1, **environment: str) -> list[Service]:
        """Start more copies of a service and wait until they are ready; settings apply to these copies only."""
        started = self.launch(kind, copies, environment)
        for service in started:
            service.await_ready()
        return started

    def start_all(self, **environment: str) -> None:
        """Start one copy of each service and wait until all are ready."""
        for kind in PORTS:
            self.launch(kind, 1, environment)
        for service in self.services.values():
            service.await_ready()

    def launch(self, kind: str, copies: int, environment: Mapping[str, str]) -> list[Service]:
        """Start more copies of a service without waiting for them."""
        first = sum(known == kind for known, _ in self.services)
        started = [self._new(kind, number, environment) for number in range(first, first + copies)]
        for service in started:
            service.start()
        return started

    def _new(self, kind: str, number: int, environment: Mapping[str, str]) -> Service:
        service = ForkedService(self.stack_dir, f"{kind}-{number}", free_port(), {**self.environment, **environment})
        self.services[kind, number] = service
        return service

    @property
    def api(self) -> httpx2.Client:
        """An HTTP client of the first api."""
        if self._api is None:
            self._api = httpx2.Client(base_url=self["api", 0].url, timeout=60, trust_env=False, verify=WITHOUT_TLS)
        return self._api

    def get(self, path: str) -> Any:
        return self.api.get(path).raise_for_status().json()

    def query(self, statement: str, *arguments: Any) -> list[Any]:
        """The rows that the statement returns in the database of the services."""
        return self._database.fetch(self.environment["DUEBOOK_POSTGRES_URL"], statement, arguments)

    def create(self, **job: Any) -> dict[str, Any]:
        """Create a job; its name is `test` unless given."""
        created: dict[str, Any] = self.api.post("/api/job", json={"name": "test", **job}).raise_for_status().json()
        return created

    def runs(self, job_id: str) -> list[dict[str, Any]]:
        """A job's runs, newest first."""
        runs: list[dict[str, Any]] = self.get(f"/api/job/{job_id}/runs")["items"]
        return runs

    def await_run(self, job_id: str, status: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for a run of the job with this status; returns the newest."""
        return eventually(
            lambda: next((run for run in self.runs(job_id) if run["status"] == status), None),
            seconds,
            lambda: f"no run is {status}: {self.runs(job_id)}",
        )


def eventually(
    probe: Callable[[], T | None], seconds: float = 60, explain: Callable[[], str] = lambda: "the condition never held"
) -> T:
    """Call `probe` until its result is neither None, False nor empty, and return the result. A number is a result.

    Raises AssertionError with the text of `explain` after that many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = probe()
        if result or (result == 0 and result is not False):
            assert result is not None
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s: {explain()}")
        time.sleep(0.05)
