"""A mail catcher: it takes every mail and keeps it as a file, so that nothing leaves the machine.

As a program: `python -m duebook_devstack.mail PORT DIRECTORY`.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from signal import SIGINT, sigwait

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from duebook_devstack.home import StackDir
from duebook_devstack.server import Server


class Mail(Server):
    name = "mail"

    def __init__(self, home: StackDir, say: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(home, say)
        self._port = home.port(self.name)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}"

    @property
    def account(self) -> None:
        """Our own code, run as ourselves: another account might not reach our Python."""

    @property
    def room(self) -> Path:
        room = self.home.path / self.name
        room.mkdir(exist_ok=True)
        return room

    def command(self) -> Sequence[str | Path]:
        self.origin = f"wheel aiosmtpd; mails are kept in {os.path.relpath(self.room)}"
        return [sys.executable, "-m", "duebook_devstack.mail", str(self._port), self.room]

    def answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
            return connection.recv(3) == b"220"


class Folder:
    """Keeps each mail as TIME-NUMBER.eml, oldest first by name."""

    def __init__(self, path: Path) -> None:
        self._path, self._numbers = path, count(1)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.original_content or b""
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{next(self._numbers):04}"
        half = self._path / f"{name}.new"
        half.write_bytes(content)
        half.rename(self._path / f"{name}.eml")
        return "250 kept"


def main(port: int, directory: Path) -> None:
    """Serve until SIGTERM."""
    controller = Controller(Folder(directory), hostname="127.0.0.1", port=port)
    controller.start()
    sigwait({SIGINT, 15})
    controller.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
