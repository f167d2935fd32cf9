"""Duebook's services as processes, configured by environment variables only, as in production."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx2

from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.processes import Process
from duebook_devstack.stack_dir import StackDir

PORTS = {"api": 8000, "scheduler": 8001, "executor": 8002, "notifier": 8003}
_POLL_SECONDS = 0.1


class Service:
    """One instance of a service. `name` is its kind, with a number if there are several: `executor-2`."""

    def __init__(self, stack_dir: StackDir, name: str, port: int, environment: Mapping[str, str]) -> None:
        self.kind, self.name, self.port = name.split("-", maxsplit=1)[0], name, port
        self._stack_dir = stack_dir
        self._environment = {**os.environ, **environment, "DUEBOOK_HOST": "127.0.0.1", "DUEBOOK_PORT": str(port)}
        self.process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self._stack_dir.log(self.name)

    def start(self) -> None:
        """Start the process and return at once; `await_ready` waits until it is ready."""
        program = Path(sys.executable).with_name(f"duebook-{self.kind}")
        self.process = Process(
            self.name, [program], registry=self._stack_dir.registry, log=self.log, env=self._environment
        )

    @property
    def ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=3, trust_env=False, verify=WITHOUT_TLS).status_code == 200
        except httpx2.HTTPError:
            return False

    def await_ready(self, seconds: float = 60) -> None:
        """Raises ProcessDied, or TimeoutError with the answer of `/readyz`."""
        deadline = time.monotonic() + seconds
        while not self.ready:
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{self.name} is not ready after {seconds:.0f} s: {self._readyz_text()}; see {self.log}"
                )
            time.sleep(_POLL_SECONDS)
        self.check()  # another program may have answered at the same port

    def _readyz_text(self) -> str:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=3, trust_env=False, verify=WITHOUT_TLS).text
        except httpx2.HTTPError as error:
            return repr(error)

    def adopt(self) -> bool:
        """No one but the stack starts a service in its place."""
        return False

    def check(self) -> None:
        """Raise ProcessDied if the process was started and has ended."""
        if self.process:
            self.process.check()

    def terminate(self) -> None:
        """Send SIGTERM, with which the service drains, and return at once."""
        if self.process:
            self.process.terminate()

    def stop(self, seconds: float = 35) -> int | None:
        """Let the service drain, and kill it after `seconds`; returns its exit code, None if it was not running."""
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
