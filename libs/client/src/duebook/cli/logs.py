"""Print the job log of a run."""

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any

from duebook.cli import output
from duebook.cli.output import Format
from duebook.cli.values import Level
from duebook.cli.watch import ENDED, Retrying
from duebook.client import Client

_OVERLAP = 200  # entries that are read again at each poll
_LEVELS = tuple(Level)


def print_newest(api: Client, run_id: str, limit: int, level: Level, fmt: Format) -> None:
    """The newest entries of this level or above, oldest first."""
    found = (entry for entry in api.items("/api/job-log", run_id=run_id) if is_shown(entry, level))
    entries = output.take(islice(found, limit + 1), limit)[::-1]
    if fmt is Format.JSON:
        output.print_json(entries)
    for entry in entries if fmt is Format.TABLE else ():
        output.print_data(line(entry))


def follow(api: Client, run: str, run_id: str, interval: timedelta, level: Level, fmt: Format) -> str:
    """Print each entry of this level or above as it is written; returns the status in which the run has ended."""
    retrying = Retrying(interval)
    printed: set[str] = set()
    while True:
        status, entries = retrying(partial(_poll, api, run, run_id, printed))
        for entry in entries:
            printed.add(entry["id"])
            if is_shown(entry, level):
                output.print_json(entry, indent=None) if fmt is Format.JSON else output.print_data(line(entry))
        if status in ENDED:
            return status
        time.sleep(interval.total_seconds())


def _poll(api: Client, run: str, run_id: str, printed: set[str]) -> tuple[str, list[dict[str, Any]]]:
    """The status of a run, and its entries that were not printed yet, oldest first."""
    status: str = api.get(run)["status"]  # before the entries, so that they include the end
    return status, new_entries(api.items("/api/job-log", run_id=run_id), printed)[::-1]


def new_entries(newest_first: Iterable[dict[str, Any]], printed: Collection[str]) -> list[dict[str, Any]]:
    """Those not printed yet. Some stand below printed ones: transactions do not commit in the order of entries."""
    new, known = [], 0
    for entry in newest_first:
        if entry["id"] not in printed:
            new.append(entry)
        elif (known := known + 1) == _OVERLAP:
            break
    return new


def is_shown(entry: Mapping[str, Any], level: Level) -> bool:
    """Whether an entry is at least of this level. What happened to attempts has none, and is always shown."""
    of_line = entry.get("level")
    return of_line not in _LEVELS or _LEVELS.index(Level(of_line)) >= _LEVELS.index(level)


def line(entry: Mapping[str, Any]) -> str:
    """An entry on one line: its time, attempt, level or status, message and fields."""
    attempt = "-" if entry["attempt"] is None else entry["attempt"]
    what = entry.get("level") or entry["status"]
    fields = (f"{output.one_line(name)}={output.one_line(value)}" for name, value in entry.get("fields", {}).items())
    text = "  ".join([output.one_line(entry["message"]), " ".join(fields)])
    return f"{entry['logged_at']}  {attempt}  {what:<13}  {text}".rstrip()
