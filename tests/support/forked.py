"""Services that start at once, because a process that has imported them is forked; see `fork_server.py`."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock

from duebook_devstack.processes import Process, ProcessId, ProcessRegistry, _started
from duebook_devstack.services import Service

_PROGRAM = Path(__file__).with_name("fork_server.py")
_OF_THE_INTERPRETER = ("LD_PRELOAD", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONWARNINGS")
"""Variables that count at an interpreter's start: a process with one of them cannot be forked."""


class ForkedService(Service):
    """A service whose process is forked, unless its environment asks for an interpreter of its own."""

    def start(self) -> None:
        if any(self._environment.get(name) != os.environ.get(name) for name in _OF_THE_INTERPRETER):
            super().start()
        else:
            self.process = ForkedProcess(self.name, self.kind, self._stack_dir.registry, self.log, self._environment)

    def await_ready(self, seconds: float = 180) -> None:
        """As every service, but on a machine that may be full with tests."""
        super().await_ready(seconds)


class ForkedProcess(Process):
    def __init__(
        self, name: str, kind: str, registry: ProcessRegistry, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name, self.log, self._registry = name, log, registry
        program = str(Path(sys.executable).with_name(f"duebook-{kind}"))
        request = json.dumps({"kind": kind, "program": program, "environment": dict(environment)})
        self._popen = _server().fork(request.encode(), log)
        self.id = ProcessId(name, self._popen.pid, _started(self._popen.pid), signal.SIGTERM)
        registry.add(self.id)


class _ForkServer:
    """The program that forks, started by the first test that needs it; it ends with this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        process.returncode = 0  # otherwise Popen warns that it was not waited for

    def fork(self, request: bytes, log: Path) -> "_Forked":
        exit_code, theirs = os.pipe()
        with log.open("ab") as output, self._lock:
            socket.send_fds(self._requests, [request], [output.fileno(), theirs])
            os.close(theirs)
            return _Forked(int(self._requests.recv(100)), exit_code)


@cache
def _server() -> _ForkServer:
    return _ForkServer()


class _Forked(subprocess.Popen[bytes]):
    """A process that is the child of another one, with the methods of a child of this one."""

    def __init__(self, pid: int, exit_code: int) -> None:
        self.pid, self.returncode, self.args = pid, None, ()
        self._exit_code, self._lock = exit_code, Lock()

    def __del__(self) -> None:
        os.close(self._exit_code)

    def poll(self) -> int | None:
        return self._await(0)

    def wait(self, timeout: float | None = None) -> int:
        if (code := self._await(timeout)) is None:
            raise subprocess.TimeoutExpired("a service", timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def _await(self, seconds: float | None) -> int | None:
        """The exit code once the process has ended; None if it runs after so many seconds."""
        with self._lock:
            if self.returncode is None and select.select([self._exit_code], [], [], seconds)[0]:
                self.returncode = int(os.read(self._exit_code, 100))
            return self.returncode
