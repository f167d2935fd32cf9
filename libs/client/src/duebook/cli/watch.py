"""Follow a run event by event until it ends, also while the server is out of reach for a time."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from duebook.cli import output
from duebook.cli.output import Format
from duebook.client import ApiError, Client, Unreachable

T = TypeVar("T")
ENDED = frozenset({"succeeded", "dead_lettered", "cancelled", "skipped", "discarded"})
_MAX_FIELD_LENGTH = 200


class Retrying:
    """Repeats a request while the server is out of reach. The first request of all must succeed at once."""

    def __init__(self, interval: timedelta) -> None:
        self._seconds = interval.total_seconds()
        self._connected = False

    def __call__(self, request: Callable[[], T]) -> T:
        reported = False
        while True:
            try:
                answer = request()
            except (Unreachable, ApiError) as error:
                if not self._connected or not _is_transient(error):
                    raise
                if not reported:
                    output.print_message(f"{error}; retrying")
                reported = True
                self.pause()
            else:
                self._connected = True
                return answer

    def pause(self) -> None:
        """Wait as long as between two polls."""
        time.sleep(self._seconds)


def _is_transient(error: Unreachable | ApiError) -> bool:
    return isinstance(error, Unreachable) or error.status >= 500


def watch_run(api: Client, run: str, interval: timedelta, fmt: Format) -> str:
    """Print each event of the run at this path as it is recorded, and its progress as messages.

    Returns the status in which the run has ended.
    """
    retrying, version, progress = Retrying(interval), 0, ""
    while True:
        found, events = retrying(partial(_poll, api, run, version))
        for event in events:
            print_event(event, fmt)
            version = event["version"]
        last, progress = progress, progress_line(found.get("progress"))
        if progress and progress != last:
            output.print_message(progress)
        status: str = found["status"]
        if status in ENDED:
            return status
        time.sleep(interval.total_seconds())


def _poll(api: Client, run: str, after: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A run and its events after this version."""
    found: dict[str, Any] = api.get(run)  # before the events, so that they include the one that ended the run
    return found, [event for event in api.items(f"{run}/events") if event["version"] > after]


def progress_line(progress: Mapping[str, Any] | None) -> str:
    """How far the attempt has come, like `progress 40 %: 2 of 5 files`; empty if its task has not said so."""
    if progress is None:
        return ""
    share, text = progress["share"], output.one_line(progress["text"])
    head = "progress" if share is None else f"progress {share:.0%}".replace("%", " %")
    return f"{head}: {text}" if text else head


def print_event(event: dict[str, Any], fmt: Format, prefix: str = "") -> None:
    """Print an event on one line: its time, `prefix`, its type and its fields that are not nested."""
    if fmt is Format.JSON:
        output.print_json(event, indent=None)
        return
    data = {name: value for name, value in event["data"].items() if isinstance(value, str | int | float)}
    fields = " ".join(f"{name}={output.one_line(value)[:_MAX_FIELD_LENGTH]}" for name, value in data.items())
    output.print_data(f"{event['recorded_at']}  {prefix}{event['type']}  {fields}".rstrip())
