"""The operations that all backing servers have, however their programs were obtained."""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM, Signals

from duebook_devstack.accounts import Account
from duebook_devstack.processes import Process
from duebook_devstack.stack_dir import StackDir

_POLL_SECONDS = 0.05


class ServerNotFound(Exception):
    """A server's programs were not found; the message names the remedy."""


class ExternalServer:
    """A server that a variable names, e.g. DUEBOOK_POSTGRES_URL. The stack neither starts nor stops it."""

    origin = "from the environment"

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def kill(self) -> None:
        pass

    def check(self) -> None:
        pass


class Server:
    """A server that the stack runs itself, on a private port. `start` returns when it answers."""

    name: str
    stop_signal: Signals = SIGTERM
    stop_seconds: float = 10
    start_seconds: float = 60

    def __init__(self, stack_dir: StackDir, report: Callable[[str], None] = lambda _: None) -> None:
        self.stack_dir, self.report = stack_dir, report
        self.process: Process | None = None
        self.origin = ""

    @property
    def url(self) -> str:
        raise NotImplementedError

    def command(self) -> Sequence[str | Path]:
        """Prepare the data directory and return the command line that serves it."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether the server accepts requests; False or OSError while it starts."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return environment(HOME=str(self.directory))

    @property
    def account(self) -> Account | None:
        return self.stack_dir.account

    @property
    def directory(self) -> Path:
        return self.stack_dir.server_dir(self.name)

    def start(self) -> None:
        """Start the server and wait until it answers; raises ProcessDied or TimeoutError."""
        self.launch(self.name, self.command())
        self.await_answer()

    def launch(self, name: str, command: Sequence[str | Path]) -> None:
        self.process = Process(
            name,
            command,
            registry=self.stack_dir.registry,
            log=self.stack_dir.log(self.name),
            env=self.environment(),
            cwd=self.directory,
            account=self.account,
            stop_signal=self.stop_signal,
        )

    def await_answer(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        while time.monotonic() < deadline:
            self.check()
            with suppress(OSError):
                if self.answers():
                    return
            time.sleep(_POLL_SECONDS)
        log = self.stack_dir.log(self.name)
        raise TimeoutError(f"{self.name} did not answer within {self.start_seconds:.0f} s; see {log}")

    def adopt(self) -> bool:
        """Take over a server that others have started in the place of this one, which has stopped, if they have."""
        return False

    def check(self) -> None:
        """Raise ProcessDied if the server was started and has ended."""
        if self.process:
            self.process.check()

    def stop(self) -> None:
        """Shut the server down in order; its data stays for the next `start`."""
        if self.process:
            self.process.stop(self.stop_seconds)
            self.process = None

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash does."""
        if self.process:
            self.process.kill()
            self.process = None

    def abandon(self) -> None:
        """Leave the server running; a later `ProcessRegistry.reap` ends it."""
        if self.process:
            self.process.abandon()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Send SIGSTOP: connections stay open and get no answers."""
        if self.process:
            self.process.pause()

    def resume(self) -> None:
        if self.process:
            self.process.resume()

    def wipe(self) -> None:
        """Kill the server, delete its data and start it again, with the same port and password."""
        self.kill()
        self.delete_data()
        self.start()

    def delete_data(self) -> None:
        """Delete the data of a stopped server."""
        for entry in self.directory.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def environment(**more: str) -> dict[str, str]:
    """A minimal environment for a server: variables of our own environment must not configure it."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", **more}
