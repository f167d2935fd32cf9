"""The directory of one local stack: its data, logs, ports, passwords and the list of its running processes."""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import threading
from pathlib import Path
from typing import Any

from duebook_devstack.accounts import unprivileged
from duebook_devstack.ports import claim, free_port
from duebook_devstack.processes import ProcessRegistry


class AlreadyRunning(Exception):
    """Another stack is running in the same directory."""


class StackDir:
    """Holds the directory's lock until `close`; raises AlreadyRunning if another process holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "logs").mkdir(exist_ok=True)
        self.account = unprivileged()
        self.registry = ProcessRegistry(self.path / "processes.json")
        self._state = self.path / "state.json"
        self._mutex = threading.Lock()
        self._lock = (self.path / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(self._already_running()) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        for log in (self.path / "logs").glob("*.log"):
            log.replace(log.with_suffix(".log.1"))  # one log file for each start; the previous one is kept

    @property
    def short_name(self) -> str:
        """A unique name. It is stored, because RabbitMQ's data contains it and must survive a move of the directory."""
        with self._mutex:
            name = self._read().get("name")
            if name is None:
                self._write("name", name := _short_name(self.path))
            return str(name)

    def close(self) -> None:
        self._lock.close()

    def _already_running(self) -> str:
        """Says which process holds the lock, and how to stop it."""
        with self._lock:
            self._lock.seek(0)
            process = self._lock.read()
        stop = f", or with `kill {process}` from another one" if process else ""
        return f"a stack is already running in {self.path}; stop it with Ctrl-C in its terminal{stop}"

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    @property
    def fallback(self) -> Path | None:
        """The directory of the servers' data if their account cannot enter `path`; None if it can."""
        return None if self._accessible(self.path / "x") else _fallback(self.path)

    def _accessible(self, path: Path) -> bool:
        return self.account is None or self.account.may_enter(path)

    def server_dir(self, name: str) -> Path:
        """A server's own directory, writable for its account."""
        directory = self.path / name
        if not directory.exists():
            if self._accessible(directory):
                directory.mkdir()
            else:
                target = self._make_fallback() / name
                target.mkdir(exist_ok=True)
                directory.unlink(missing_ok=True)
                directory.symlink_to(target)
            if self.account:
                self.account.own(directory)
            directory.chmod(0o700)
        return directory.resolve()

    def accessible_copy(self, programs: Path) -> Path:
        """The directory `programs` itself, or a copy of it if the servers' account cannot enter it."""
        if self._accessible(programs / "x"):
            return programs
        copy = self._make_fallback() / f"{programs.name}-{programs.stat().st_mtime_ns}"
        if not copy.exists():
            unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
            shutil.copytree(programs, unfinished, symlinks=True)
            unfinished.rename(copy)
        return copy

    def _make_fallback(self) -> Path:
        fallback = _fallback(self.path)
        fallback.mkdir(exist_ok=True)
        fallback.chmod(0o755)
        return fallback

    def port(self, name: str) -> int:
        """A free port: the same one at each start, unless another program has taken it."""
        with self._mutex:
            ports = self._read().get("ports", {})
            port = ports.get(name)
            if port is None or not claim(port):
                port = free_port(set(ports.values()))
                self._write("ports", ports | {name: port})
            return int(port)

    def password(self, name: str) -> str:
        """A random password, the same one at each start."""
        with self._mutex:
            passwords = self._read().get("passwords", {})
            if name not in passwords:
                passwords[name] = secrets.token_hex(12)
                self._write("passwords", passwords)
            return str(passwords[name])

    def _read(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._state.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return state

    def _write(self, key: str, value: object) -> None:
        new = self._state.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(self._read() | {key: value}, indent=2), encoding="utf-8")
        new.replace(self._state)


def remove(path: Path) -> None:
    """Delete a stack's directory and its fallback; none of its processes may be running."""
    for directory in (path, _fallback(path.absolute())):
        shutil.rmtree(directory, ignore_errors=True)


def _fallback(path: Path) -> Path:
    return Path("/var/lib") / f"duebook-{_short_name(path)}"


def _short_name(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]
