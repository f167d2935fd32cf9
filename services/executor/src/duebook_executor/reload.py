"""`duebook-executor --reload`, for development: starts the executor again when a Python file has changed."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType

import structlog

log = structlog.stdlib.get_logger("reload")

Files = Mapping[Path, int]
"""When each file was changed last, in nanoseconds."""

MOST_FILES = 10_000
_POLL_SECONDS = 0.5
# Beyond the grace, within which an executor ends by itself; a parent waits ten seconds of them for its processes.
_KILL_AFTER = timedelta(seconds=15)
# A file that is changed twice in a second may keep its size; Python would take its first version from the cache.
_OF_CHILD = {"DUEBOOK_RELOAD": "off", "PYTHONDONTWRITEBYTECODE": "1"}
_OF_OTHERS = frozenset({"__pycache__", "node_modules", "site-packages"})


def python_files(folder: Path) -> Files:
    """The Python files below the folder, at most 10,000; hidden folders and virtual environments are left out."""
    found: dict[Path, int] = {}
    for file in _walk(folder):
        try:
            found[file] = file.stat().st_mtime_ns
        except OSError:  # deleted meanwhile
            continue
        if len(found) == MOST_FILES:
            break
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if _is_own(Path(parent, each))]
        yield from (Path(parent, each) for each in files if each.endswith(".py"))


def _is_own(folder: Path) -> bool:
    return not (folder.name.startswith(".") or folder.name in _OF_OTHERS or (folder / "pyvenv.cfg").exists())


def changed(before: Files, now: Files) -> list[Path]:
    """The files that are new, changed or gone, in order."""
    return sorted(file for file in before.keys() | now.keys() if before.get(file) != now.get(file))


def exit_code(of_child: int) -> int:
    """The program's own; a child that SIGTERM has ended was only just starting, and had nothing to drain."""
    return 0 if of_child == -signal.SIGTERM else 1 if of_child < 0 else of_child


class Reloader:
    """Runs one child at a time. What is written while a child starts is noticed: the files are read before it."""

    def __init__(self, command: Sequence[str], folder: Path, grace: timedelta) -> None:
        self._command, self._folder, self._grace = command, folder, grace
        self._stop = threading.Event()

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit code: that of the last child, 1 if it had to be killed."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        while True:
            files = python_files(self._folder)
            child = subprocess.Popen(self._command, env=os.environ | _OF_CHILD)
            try:
                changes = self._wait_for_change(child, files)
            finally:
                code = self._end(child)
            if not changes:
                return exit_code(code)
            log.info("reloading", changed=[str(file.relative_to(self._folder)) for file in changes[:10]])

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _wait_for_change(self, child: "subprocess.Popen[bytes]", files: Files) -> list[Path]:
        """The changed files; none if the program is to stop. After a child that has ended, a change is waited for."""
        running = True
        while not self._stop.wait(_POLL_SECONDS):
            if changes := changed(files, python_files(self._folder)):
                return changes
            if running and child.poll() is not None:
                running = False
                log.warning("executor ended", exit_code=child.returncode, remedy="waiting for a change of a file")
        return []

    def _end(self, child: "subprocess.Popen[bytes]") -> int:
        """Let the child drain; one that does not end in time is killed, and its attempts count as lost."""
        if child.poll() is None:
            child.terminate()
        try:
            return child.wait((self._grace + _KILL_AFTER).total_seconds())
        except subprocess.TimeoutExpired:
            log.warning("executor killed", reason="it did not drain within DUEBOOK_GRACE")
            child.kill()
            return child.wait()
