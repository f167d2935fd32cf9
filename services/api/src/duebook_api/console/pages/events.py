"""The view model of the event log."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from duebook_api.console.pages.json_text import json_text, plain
from duebook_api.console.pages.words import cut, short_name
from duebook_common.store.codec import Event

_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Times are a column of their own, and what the stream or the definition repeats is no news.
_LEFT_OUT = {"at", "job_id", "run_id", "key_id", "job_name", "definition", "dispatch", "fingerprint", "message_id"}
_MOST_FACTS, _LONGEST_FACT = 4, 80
_GONE_WITHOUT_SCOPE = ("payload", "result")

_PAGES = {"job": "/console/jobs", "run": "/console/runs", "mail": "/console/runs", "bulk": "/console/bulk"}
_LISTS = {"queue": "/console/queues", "installation": "/console/queues", "key": "/console/keys"}

TYPES = tuple(sorted(each.__name__ for each in get_args(Event)))


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event. `subject` is what it happened to, at `path` below `page`, which may be empty.

    `facts` are the first of its data.
    """

    position: str
    type: str
    words: str
    role: str
    subject: str
    kind: str
    id: str
    path: str
    page: str
    actor: str
    at: datetime
    facts: str
    data: str


def type_options(chosen: str) -> list[tuple[str, str]]:
    """The options of the filter; one that the URL chose in another way is kept."""
    known = [("", "all"), *((name, type_in_words(name)) for name in TYPES)]
    return known if chosen in dict(known) else [*known, (chosen, chosen)]


def event_rows(events: Sequence[Mapping[str, Any]]) -> list[EventRow]:
    return [_row(event) for event in events]


def _row(event: Mapping[str, Any]) -> EventRow:
    kind, _, id_ = event["stream"].partition("-")
    data = without_payloads(plain(event["data"]))
    return EventRow(
        position=event["position"],
        type=event["type"],
        words=type_in_words(event["type"]),
        role=_role(event["type"]),
        subject=f"{kind} {id_}".strip(),
        kind=kind,
        id=id_,
        path=path_of(kind, id_),
        page=page_in_navigation(kind),
        actor=str(plain(event["meta"]).get("actor", "")),
        at=event["recorded_at"],
        facts=facts(data),
        data=json_text(data),
    )


def type_in_words(name: str) -> str:
    """Like `Attempt started` for `AttemptStarted`."""
    first, *rest = _CAPITALS.split(name)
    return " ".join([first, *(word.lower() for word in rest)]).replace("dead lettered", "dead-lettered")


def _role(name: str) -> str:
    if name.endswith(("DeadLettered", "Failed", "Lost", "GivenUp")):
        return "dead"
    return "retrying" if name.endswith(("Paused", "Frozen", "Cancelled", "Aborted", "Revoked")) else ""


def path_of(kind: str, id_: str) -> str:
    """The page of what an event happened to: one of its own, or the list that has it; empty if there is none."""
    if kind in _LISTS:
        return _LISTS[kind]
    return f"{_PAGES[kind]}/{id_}" if kind in _PAGES else ""


def page_in_navigation(kind: str) -> str:
    """The page whose entry in the navigation says whether the reader may see what the event happened to."""
    return _LISTS.get(kind) or _PAGES.get(kind, "")


def facts(data: Any) -> str:
    """Like `attempt 2 · error boom`: the first simple values."""
    if not isinstance(data, dict):
        return ""
    simple = [(name, value) for name, value in data.items() if _is_fact(name, value)]
    return " · ".join(_fact(name.replace("_", " "), short_name(str(value))) for name, value in simple[:_MOST_FACTS])


def _fact(name: str, value: str) -> str:
    """The name of an executor begins with that word."""
    return cut(value if value.startswith(f"{name} ") else f"{name} {value}", len(name) + 1 + _LONGEST_FACT)


def _is_fact(name: str, value: Any) -> bool:
    if name in _LEFT_OUT or name.endswith("_at"):
        return False
    return isinstance(value, (str, int, float)) and not isinstance(value, bool) and value != ""


def without_payloads(data: Any) -> Any:
    """The data of an event for those who may not see payloads."""
    if not isinstance(data, dict):
        return data
    kept = {name: value for name, value in data.items() if name not in _GONE_WITHOUT_SCOPE}
    if isinstance(definition := kept.get("definition"), dict):
        kept["definition"] = {name: value for name, value in definition.items() if name != "payload"}
    return kept
