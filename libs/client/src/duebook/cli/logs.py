"""Print the job log of a run."""

import time
from collections.abc import Collection, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from duebook.cli import output
from duebook.cli.output import Format
from duebook.cli.watch import ENDED, Retrying
from duebook.client import Client

_OVERLAP = 200  # entries that are read again at each poll


def print_newest(api: Client, run_id: str, limit: int, fmt: Format) -> None:
    """The newest entries, oldest first."""
    entries = output.take(api.items("/api/job-log", limit + 1, run_id=run_id), limit)[::-1]
    if fmt is Format.JSON:
        output.print_json(entries)
    for entry in entries if fmt is Format.TABLE else ():
        output.print_data(_line(entry))


def follow(api: Client, run: str, run_id: str, interval: timedelta, fmt: Format) -> None:
    """Each entry as it is written, until the run has ended."""
    retrying = Retrying(interval)
    printed: set[str] = set()
    while True:
        status, entries = retrying(partial(_poll, api, run, run_id, printed))
        for entry in entries:
            output.print_json(entry, indent=None) if fmt is Format.JSON else output.print_data(_line(entry))
            printed.add(entry["id"])
        if status in ENDED:
            return
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


def _line(entry: dict[str, Any]) -> str:
    attempt = "-" if entry["attempt"] is None else entry["attempt"]
    return f"{entry['logged_at']}  {attempt}  {entry['status']:<13}  {output.one_line(entry['message'])}".rstrip()
