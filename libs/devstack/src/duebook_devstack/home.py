"""A directory that holds everything of one local stack: data, logs, ports, passwords, and who is running."""

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
    """Another stack runs in the same directory."""


class StackDir:
    """One stack at a time: taking a home whose lock is held raises Busy."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "logs").mkdir(exist_ok=True)
        self.account = unprivileged()
        self.ledger = ProcessRegistry(self.path / "processes.json")
        self._notes = self.path / "notes.json"
        self._mutex = threading.Lock()
        self._lock = (self.path / "lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise AlreadyRunning(f"a stack is already running in {self.path}") from None
        for log in (self.path / "logs").glob("*.log"):
            log.replace(log.with_suffix(".log.1"))  # a log tells of one start, and the one before is kept

    @property
    def short_name(self) -> str:
        """A name for this home and no other; it stays when the directory is moved, as RabbitMQ's data bears it."""
        with self._mutex:
            known = self._read().get("name")
            if known is None:
                self._write("name", known := _short_name(self.path))
            return str(known)

    def close(self) -> None:
        self._lock.close()

    @property
    def elsewhere(self) -> Path | None:
        """Where the servers' data is, where their account cannot enter our directory."""
        return None if self._open_to_account(self.path / "x") else _outside(self.path)

    def _open_to_account(self, path: Path) -> bool:
        return self.account is None or self.account.may_enter(path)

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def room(self, name: str) -> Path:
        """A server's own directory, which its account can reach and write."""
        room = self.path / name
        if not room.exists():
            if not self._open_to_account(room):
                target = self._outside() / name
                target.mkdir(exist_ok=True)
                room.unlink(missing_ok=True)
                room.symlink_to(target)
            else:
                room.mkdir()
            if self.account:
                self.account.own(room)
            room.chmod(0o700)
        return room.resolve()

    def within_reach(self, programs: Path) -> Path:
        """The same directory of programs, or a copy of it where the servers' account cannot reach it."""
        if self._open_to_account(programs / "x"):
            return programs
        copy = self._outside() / f"{programs.name}-{programs.stat().st_mtime_ns}"
        if not copy.exists():
            half = copy.with_name(f"{copy.name}.{os.getpid()}")
            shutil.copytree(programs, half, symlinks=True)
            half.rename(copy)
        return copy

    def _outside(self) -> Path:
        """Where servers of an unprivileged account live when our own directory lies behind a closed door."""
        outside = _outside(self.path)
        outside.mkdir(exist_ok=True)
        outside.chmod(0o755)
        return outside

    def port(self, name: str) -> int:
        """A free port, and the same one at each start as long as it is free."""
        with self._mutex:
            known = self._read().get("ports", {})
            port = known.get(name)
            if port is None or not claim(port):
                port = free_port(set(known.values()))
                self._write("ports", known | {name: port})
            return int(port)

    def password(self, name: str) -> str:
        with self._mutex:
            known = self._read().get("passwords", {})
            if name not in known:
                known[name] = secrets.token_hex(12)
                self._write("passwords", known)
            return str(known[name])

    def _read(self) -> dict[str, Any]:
        try:
            notes: dict[str, Any] = json.loads(self._notes.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return notes

    def _write(self, key: str, value: object) -> None:
        fresh = self._notes.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(self._read() | {key: value}, indent=2), encoding="utf-8")
        fresh.replace(self._notes)


def discard(path: Path) -> None:
    """Remove a home and everything in it; nothing of it may be running."""
    for directory in (path, _outside(path.absolute())):
        shutil.rmtree(directory, ignore_errors=True)


def _outside(path: Path) -> Path:
    return Path("/var/lib") / f"duebook-{_short_name(path)}"


def _short_name(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]
