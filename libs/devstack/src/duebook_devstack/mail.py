"""A mail catcher: it accepts every mail and stores it as a file, so that no mail leaves the machine.

As a program: `python -m duebook_devstack.mail PORT DIRECTORY`.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from signal import SIGINT, SIGTERM, sigwait

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from duebook_devstack.server import Server
from duebook_devstack.stack_dir import StackDir


class Mail(Server):
    name = "mail"

    def __init__(self, stack_dir: StackDir, report: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(stack_dir, report)
        self._port = stack_dir.port(self.name)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}"

    @property
    def account(self) -> None:
        """None: the catcher runs as we do, because another account might not be able to read our Python."""

    @property
    def directory(self) -> Path:
        directory = self.stack_dir.path / self.name
        directory.mkdir(exist_ok=True)
        return directory

    def command(self) -> Sequence[str | Path]:
        self.origin = f"wheel aiosmtpd; mails are stored in {os.path.relpath(self.directory)}"
        return [sys.executable, "-m", "duebook_devstack.mail", str(self._port), self.directory]

    def answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
            return connection.recv(3) == b"220"


class Folder:
    """Stores each mail as TIME-NUMBER.eml, so that sorting by name sorts by age."""

    def __init__(self, path: Path) -> None:
        self._path, self._numbers = path, count(1)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.original_content or b""
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{next(self._numbers):04}"
        unfinished = self._path / f"{name}.new"
        unfinished.write_bytes(content)
        unfinished.rename(self._path / f"{name}.eml")
        return "250 stored"


def main(port: int, directory: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    controller = Controller(Folder(directory), hostname="127.0.0.1", port=port)
    controller.start()
    sigwait({SIGINT, SIGTERM})
    controller.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
