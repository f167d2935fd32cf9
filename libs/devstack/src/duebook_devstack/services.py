"""Duebook's services as processes: as they run anywhere, configured by the environment only."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx2

from duebook_devstack.home import StackDir
from duebook_devstack.processes import Process

PORTS = {"api": 8000, "scheduler": 8001, "executor": 8002, "notifier": 8003}
_TICK = 0.1


class Service:
    """One copy of a service. `name` may carry a number where there are more: `executor-2`."""

    def __init__(self, home: StackDir, name: str, port: int, environment: Mapping[str, str]) -> None:
        self.kind, self.name, self.port = name.split("-", maxsplit=1)[0], name, port
        self._home = home
        self._environment = {**os.environ, **environment, "DUEBOOK_HOST": "127.0.0.1", "DUEBOOK_PORT": str(port)}
        self.process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self._home.log(self.name)

    def start(self) -> None:
        """Launch it; `await_ready` tells when it can work."""
        program = Path(sys.executable).with_name(f"duebook-{self.kind}")
        self.process = Process(self.name, [program], ledger=self._home.ledger, log=self.log, env=self._environment)

    @property
    def ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=3, trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False

    def await_ready(self, seconds: float = 60) -> None:
        """Raises ProcessDied, or TimeoutError with what its `/readyz` lacks."""
        deadline = time.monotonic() + seconds
        while not self.ready:
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} is not ready after {seconds:.0f} s: {self._excuse()}; see {self.log}")
            time.sleep(_TICK)
        self.check()  # who answers may be somebody else at the same port

    def _excuse(self) -> str:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=3, trust_env=False).text
        except httpx2.HTTPError as error:
            return repr(error)

    def check(self) -> None:
        """Raise ProcessDied if it has ended by itself."""
        if self.process:
            self.process.check()

    def terminate(self) -> None:
        """Ask it to drain, and do not wait."""
        if self.process:
            self.process.terminate()

    def stop(self, seconds: float = 35) -> int | None:
        """Let it drain, and kill it where it takes longer; its exit code, None where it did not run."""
        process, self.process = self.process, None
        if process:
            process.stop(seconds)
        return process.exit_code if process else None

    def kill(self) -> None:
        process, self.process = self.process, None
        if process:
            process.kill()

    def pause(self) -> None:
        if self.process:
            self.process.pause()

    def resume(self) -> None:
        if self.process:
            self.process.resume()
