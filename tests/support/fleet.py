"""Duebook's services as real processes, any number of each, with a small client for the API.

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

from duebook_devstack.ports import free_port
from duebook_devstack.services import PORTS, Service
from duebook_devstack.stack_dir import StackDir
from support import servers

T = TypeVar("T")
_DEFAULTS = {"DUEBOOK_AUTH": "off", "DUEBOOK_GRACE": "PT5S", "DUEBOOK_MAIL_FROM": "duebook@example.com"}


class Platform:
    """`environment` is what all services are told; a start may add to it. Everything is killed on leaving."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {**_DEFAULTS, "PYTHONPATH": os.path.dirname(__file__), **environment}  # noqa: PTH120
        self.stack_dir = StackDir(servers.private_path())
        self.services: dict[tuple[str, int], Service] = {}
        self._api: httpx2.Client | None = None

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
        self.stack_dir.close()

    def __getitem__(self, which: tuple[str, int]) -> Service:
        """A copy by kind and number, from 0: it can `stop kill pause resume start await_ready`, and has a `log`."""
        return self.services[which]

    def start(self, kind: str, *, copies: int = 1, **environment: str) -> list[Service]:
        """Start further copies of a service, and wait until they are ready."""
        fresh = self._launch(kind, copies, environment)
        for service in fresh:
            service.await_ready()
        return fresh

    def start_all(self, **environment: str) -> None:
        """One copy of each service."""
        for kind in PORTS:
            self._launch(kind, 1, environment)
        for service in self.services.values():
            service.await_ready()

    def _launch(self, kind: str, copies: int, environment: Mapping[str, str]) -> list[Service]:
        first = sum(known == kind for known, _ in self.services)
        fresh = [self._new(kind, number, environment) for number in range(first, first + copies)]
        for service in fresh:
            service.start()
        return fresh

    def _new(self, kind: str, number: int, environment: Mapping[str, str]) -> Service:
        service = Service(self.stack_dir, f"{kind}-{number}", free_port(), {**self.environment, **environment})
        self.services[kind, number] = service
        return service

    @property
    def api(self) -> httpx2.Client:
        """A client of the first api."""
        if self._api is None:
            self._api = httpx2.Client(base_url=self["api", 0].url, timeout=30, trust_env=False)
        return self._api

    def get(self, path: str) -> Any:
        return self.api.get(path).raise_for_status().json()

    def create(self, **job: Any) -> dict[str, Any]:
        """Create a job; its name is `test` unless given."""
        created: dict[str, Any] = self.api.post("/api/job", json={"name": "test", **job}).raise_for_status().json()
        return created

    def runs(self, job_id: str) -> list[dict[str, Any]]:
        """A job's runs, newest first."""
        runs: list[dict[str, Any]] = self.get(f"/api/job/{job_id}/runs")["items"]
        return runs

    def await_run(self, job_id: str, status: str, seconds: float = 30) -> dict[str, Any]:
        """The newest run of the job that has this status, as soon as there is one."""
        return eventually(
            lambda: next((run for run in self.runs(job_id) if run["status"] == status), None),
            seconds,
            lambda: f"no run is {status}: {self.runs(job_id)}",
        )


def eventually(
    look: Callable[[], T | None], seconds: float = 30, excuse: Callable[[], str] = lambda: "it never came true"
) -> T:
    """What `look` answers as soon as it is neither None nor False."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen is not None and seen is not False:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s: {excuse()}")
        time.sleep(0.05)
