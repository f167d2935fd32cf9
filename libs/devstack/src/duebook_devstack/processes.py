"""Child processes, each known by pid and start time, so that a later start can end what a killed one left behind."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from duebook_devstack.accounts import Account

_TICK = 0.05


class ProcessDied(Exception):
    """A process ended that should have gone on; the message says how, and shows the end of its log."""


@dataclass(frozen=True)
class ProcessId:
    """What identifies a process for ever: a pid alone is given out again."""

    name: str
    pid: int
    started: str
    stop_signal: int

    @property
    def alive(self) -> bool:
        return _started(self.pid) == self.started


class ProcessRegistry:
    """The marks of all processes a stack has started and not yet seen end, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._marks: list[ProcessId] = []

    def add(self, mark: ProcessId) -> None:
        with self._lock:
            self._marks.append(mark)
            self._save()

    def remove(self, mark: ProcessId) -> None:
        with self._lock:
            self._marks = [other for other in self._marks if other != mark]
            self._save()

    def _save(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(mark) for mark in self._marks]), encoding="utf-8")
        fresh.replace(self._path)

    def sweep(self, seconds: float = 8) -> list[str]:
        """End what an earlier stack, itself killed, left running, newest first, each within a time; the names."""
        try:
            marks = [ProcessId(**row) for row in json.loads(self._path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return []
        left = [mark for mark in reversed(marks) if mark.alive]
        for mark in left:
            _send(mark.pid, signal.SIGCONT)
            _send(mark.pid, mark.stop_signal)
            _wait_until_gone([mark], seconds)
            if mark.alive:
                kill_tree(mark.pid)
        self._path.unlink(missing_ok=True)
        return [mark.name for mark in left]


class Process:
    """A running child in a session of its own: a terminal's Ctrl-C reaches only us, who stop it in order."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        ledger: ProcessRegistry,
        log: Path,
        env: Mapping[str, str],
        cwd: Path | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name, self.log, self._ledger = name, log, ledger
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [str(part) for part in command],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **(account.popen() if account else {}),
            )
        self.mark = ProcessId(name, self._popen.pid, _started(self._popen.pid), stop_signal)
        ledger.add(self.mark)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    def check(self) -> None:
        """Raise ProcessDied if it has ended."""
        if (code := self.exit_code) is not None:
            raise ProcessDied(f"{self.name} ended with exit code {code}; the end of {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 64 * 1024))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        if self.exit_code is None:
            self._popen.send_signal(number)

    def terminate(self) -> None:
        """Ask it to end, and do not wait."""
        self.resume()
        self.signal(signal.Signals(self.mark.stop_signal))

    def stop(self, seconds: float) -> bool:
        """Ask it to end, and kill it where it has not within the time; answers whether it ended by itself."""
        self.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        by_itself = self.exit_code is not None
        self.kill()
        return by_itself

    def kill(self) -> None:
        """End it and its descendants at once, and wait until they are gone."""
        if self.exit_code is None:
            kill_tree(self.pid)
        self._popen.wait()
        self._ledger.remove(self.mark)

    def abandon(self) -> None:
        """Leave it running, for whoever sweeps the ledger."""
        self._popen.returncode = 0  # Popen warns of children that nobody has waited for

    def pause(self) -> None:
        for pid in [self.pid, *_descendants(self.pid)]:
            _send(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in [self.pid, *_descendants(self.pid)]:
            _send(pid, signal.SIGCONT)


def kill_tree(pid: int) -> None:
    """SIGKILL a process and its descendants; returns once all the descendants are gone."""
    family = [ProcessId("", each, _started(each), signal.SIGKILL) for each in _descendants(pid)]
    _send(pid, signal.SIGKILL)
    for mark in family:
        if mark.alive:
            _send(mark.pid, signal.SIGKILL)
    _wait_until_gone(family, 10)


def _wait_until_gone(marks: Sequence[ProcessId], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(mark.alive for mark in marks) and time.monotonic() < deadline:
        time.sleep(_TICK)


def _send(pid: int, number: signal.Signals | int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third, the state, on; empty where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except OSError:
        return []


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty for one that has ended."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in {"Z", "X"} else ""


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))

    def walk(parent: int) -> Iterator[int]:
        for child in children.get(parent, []):
            yield child
            yield from walk(child)

    return list(walk(pid))
