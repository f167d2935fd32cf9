"""Child processes of the local stack, recorded in a file so that the next start can end those of a killed stack."""

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

_POLL_SECONDS = 0.05


class ProcessDied(Exception):
    """A process has ended unexpectedly; the message has its exit code and the end of its log."""


@dataclass(frozen=True)
class ProcessId:
    """Identifies a process for good. The pid alone does not: the kernel reuses it, so the start time is part of it."""

    name: str
    pid: int
    started: str
    stop_signal: int

    @property
    def alive(self) -> bool:
        return _started(self.pid) == self.started

    @classmethod
    def of(cls, name: str, pid: int, stop_signal: int) -> "ProcessId":
        """The process that has this pid now."""
        return cls(name, pid, _started(pid), stop_signal)


class ProcessRegistry:
    """The running child processes of a stack, kept in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._running: list[ProcessId] = []

    def add(self, process: ProcessId) -> None:
        with self._lock:
            self._running.append(process)
            self._save()

    def remove(self, process: ProcessId) -> None:
        with self._lock:
            self._running = [other for other in self._running if other != process]
            self._save()

    def _save(self) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps([asdict(process) for process in self._running]), encoding="utf-8")
        new.replace(self._path)

    def reap(self, seconds: float = 8) -> list[str]:
        """End the processes that a killed stack left running, newest first; returns their names.

        Each gets its stop signal, and SIGKILL if it is still alive after `seconds`.
        """
        try:
            recorded = [ProcessId(**row) for row in json.loads(self._path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return []
        orphans = [process for process in reversed(recorded) if process.alive]
        for orphan in orphans:
            _send(orphan.pid, signal.SIGCONT)
            _send(orphan.pid, orphan.stop_signal)
            _wait_until_gone([orphan], seconds)
            if orphan.alive:
                kill_tree(orphan.pid)
        self._path.unlink(missing_ok=True)
        return [orphan.name for orphan in orphans]


class Process:
    """A running child process in its own session: Ctrl-C in the terminal does not reach it, so we stop it in order."""

    def __init__(  # noqa: PLR0913 - these are parameters of subprocess.Popen
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        registry: ProcessRegistry,
        log: Path,
        env: Mapping[str, str],
        cwd: Path | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name, self.log, self._registry = name, log, registry
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
        self.id = ProcessId.of(name, self._popen.pid, stop_signal)
        registry.add(self.id)

    @property
    def pid(self) -> int:
        return self.id.pid

    @property
    def exit_code(self) -> int | None:
        """None while the process runs; negative if a signal ended it."""
        return self._popen.poll()

    def check(self) -> None:
        """Raise ProcessDied if the process has ended."""
        if (code := self.exit_code) is not None:
            raise ProcessDied(f"{self.name} ended with exit code {code}; the end of {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The last lines of the log."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 64 * 1024))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process, not to its descendants."""
        if self.exit_code is None:
            _send(self.pid, number)

    def terminate(self) -> None:
        """Send the stop signal and return at once."""
        self.resume()
        self.signal(signal.Signals(self.id.stop_signal))

    def stop(self, seconds: float) -> bool:
        """Send the stop signal, and SIGKILL after `seconds`; returns whether SIGKILL was not needed."""
        self.terminate()
        self._wait(seconds)
        in_time = self.exit_code is not None
        self.kill()
        return in_time

    def kill(self) -> None:
        """SIGKILL the process and its descendants, and wait until they are gone."""
        if self.exit_code is None:
            kill_tree(self.pid)
        self._wait()
        self._registry.remove(self.id)

    def _wait(self, seconds: float | None = None) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)

    def abandon(self) -> None:
        """Leave the process running; a later `ProcessRegistry.reap` ends it."""
        self._popen.returncode = 0  # otherwise Popen warns that the child was not waited for

    def pause(self) -> None:
        for pid in [self.pid, *_descendants(self.pid)]:
            _send(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in [self.pid, *_descendants(self.pid)]:
            _send(pid, signal.SIGCONT)


class AdoptedProcess(Process):
    """A process that others started in the place of one of ours: no child of ours, so that nothing tells its exit code.

    It has crashed if it ends and leaves the file `mark` behind, with its pid in the first line.
    """

    def __init__(self, process: ProcessId, mark: Path, *, registry: ProcessRegistry, log: Path) -> None:
        self.name, self.log, self._registry = process.name, log, registry
        self.id, self._mark = process, mark
        registry.add(process)

    @property
    def exit_code(self) -> int | None:
        """None while the process runs, 1 after a crash."""
        return None if self.id.alive else int(self._is_marked())

    def _is_marked(self) -> bool:
        with suppress(OSError):  # the next process in its place marks itself with another pid
            return self._mark.read_text(encoding="utf-8").split("\n")[0] == str(self.pid)
        return False

    def _wait(self, seconds: float | None = None) -> None:
        _wait_until_gone([self.id], 10 if seconds is None else seconds)

    def abandon(self) -> None:
        """It is left running anyway."""


def kill_tree(pid: int) -> None:
    """SIGKILL a process and its descendants; returns when all descendants are gone."""
    descendants = [ProcessId("", each, _started(each), signal.SIGKILL) for each in _descendants(pid)]
    _send(pid, signal.SIGKILL)
    for descendant in descendants:
        if descendant.alive:
            _send(descendant.pid, signal.SIGKILL)
    _wait_until_gone(descendants, 10)


def _wait_until_gone(processes: Sequence[ProcessId], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(process.alive for process in processes) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _send(pid: int, number: signal.Signals | int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (the state) on, see proc(5); empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except OSError:
        return []


def _started(pid: int) -> str:
    """The start time of a process in clock ticks since boot; empty if it has ended."""
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
