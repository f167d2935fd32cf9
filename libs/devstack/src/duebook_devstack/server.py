"""What every backing server can do, however it was obtained."""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM, Signals

from duebook_devstack.accounts import Account
from duebook_devstack.home import StackDir
from duebook_devstack.processes import Process

_TICK = 0.05


class ServerNotFound(Exception):
    """A server is nowhere to be had; the message says what to do."""


class ExternalServer:
    """A server that an explicit URL names. It is not ours to start or stop."""

    origin = "given by the environment"

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
    """A server of our own, on a private port. `start` returns once it answers."""

    name: str
    stop_signal: Signals = SIGTERM
    stop_seconds: float = 10
    start_seconds: float = 60

    def __init__(self, home: StackDir, say: Callable[[str], None] = lambda _: None) -> None:
        self.home, self.say = home, say
        self.process: Process | None = None
        self.origin = ""

    @property
    def url(self) -> str:
        raise NotImplementedError

    def command(self) -> Sequence[str | Path]:
        """Prepare the data directory and name the program that serves it."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether the server takes work now; False or OSError where not yet."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return environment(HOME=str(self.room))

    @property
    def account(self) -> Account | None:
        return self.home.account

    @property
    def room(self) -> Path:
        return self.home.room(self.name)

    def start(self) -> None:
        """Raises ProcessDied or TimeoutError where it does not come up."""
        self.launch(self.name, self.command())
        self.await_answer()

    def launch(self, name: str, command: Sequence[str | Path]) -> None:
        self.process = Process(
            name,
            command,
            ledger=self.home.ledger,
            log=self.home.log(self.name),
            env=self.environment(),
            cwd=self.room,
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
            time.sleep(_TICK)
        raise TimeoutError(
            f"{self.name} did not answer within {self.start_seconds:.0f} s; see {self.home.log(self.name)}"
        )

    def check(self) -> None:
        """Raise ProcessDied if it was started and has ended by itself."""
        if self.process:
            self.process.check()

    def stop(self) -> None:
        """An orderly end; after it, `start` finds the data as it was."""
        if self.process:
            self.process.stop(self.stop_seconds)
            self.process = None

    def kill(self) -> None:
        """As a power cut would."""
        if self.process:
            self.process.kill()
            self.process = None

    def abandon(self) -> None:
        """Leave it running, for whoever sweeps the ledger."""
        if self.process:
            self.process.abandon()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        if self.process:
            self.process.pause()

    def resume(self) -> None:
        if self.process:
            self.process.resume()

    def wipe(self) -> None:
        """Kill it, lose all its data, and start it empty, on the same port and with the same password."""
        self.kill()
        self.forget()
        self.start()

    def forget(self) -> None:
        """Remove the data of a stopped server."""
        for entry in self.room.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def environment(**more: str) -> dict[str, str]:
    """What a server needs of our environment, and no more: its own variables are set by nobody but us."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", **more}
