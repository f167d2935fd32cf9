"""Following a run, event by event, until it ends."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from duebook.cli import output
from duebook.cli.output import Format
from duebook.client import ApiError, Client, Unreachable

_ENDED = frozenset({"succeeded", "dead_lettered", "cancelled", "skipped", "discarded"})
_LONG = 200


def watch(api: Client, run: str, every: timedelta, form: Format) -> str:
    """Print each event as it comes; the answer is the status that the run ended with."""
    seen, status, lost = 0, "", False
    while status not in _ENDED:
        if status or lost:
            time.sleep(every.total_seconds())
        try:
            status = api.get(run)["status"]  # before the events, so that the last of them is not missed
            for event in _events(api, run, seen):
                show(event, form)
                seen = event["version"]
            lost = False
        except (Unreachable, ApiError) as error:
            if not seen or not passing(error):
                raise
            if not lost:
                output.say(f"{error}; still trying")
            status, lost = "", True
    return status


def passing(error: Exception) -> bool:
    """Whether it is worth asking again."""
    return isinstance(error, Unreachable) or (isinstance(error, ApiError) and error.status >= 500)


def _events(api: Client, run: str, after: int) -> Iterator[dict[str, Any]]:
    return (event for event in api.items(f"{run}/events") if event["version"] > after)


def show(event: dict[str, Any], form: Format, of: str = "") -> None:
    """A line for an event; `of` says what it is about, where that is not clear."""
    if form is Format.JSON:
        output.show_json(event, indent=None)
        return
    facts = (f"{name}={output.cell(value)[:_LONG]}" for name, value in event["data"].items() if _is_small(value))
    output.write(f"{event['recorded_at']}  {of}{event['type']}  {' '.join(facts)}".rstrip())


def _is_small(value: Any) -> bool:
    return isinstance(value, str | int | float)
