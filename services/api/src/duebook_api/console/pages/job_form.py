"""The form of a job: its fields as text, and from texts the body that the API takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from duebook_api.console.pages.json_text import json_text
from duebook_api.console.pages.payload_form import merged
from duebook_api.http.problems import Fault, Problem, invalid

KINDS = (
    ("none", "once"),
    ("daily", "every day"),
    ("weekly", "every week"),
    ("cron", "by a cron expression"),
    ("every", "at an interval (PT15M)"),
    ("rrule", "by an RRULE"),
)
OVERLAPS = ("skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all")
_TEXTS = ("name", "task", "queue", "timezone", "overlap", "timeout")
_NUMBERS = ("max_retries", "priority")
_EMPTIED = ("key", "start_within", "keep")  # null where the form has nothing
LIMITS = ("concurrency_key", "rate_key", "start_within", "keep")
_GROUPS = {"concurrency": ("key", "limit"), "rate": ("key", "limit", "per")}  # `rate_key` is that of `rate`
_SCHEDULE = ("recurrence", "scheduled_at", "timezone")


@dataclass(frozen=True, slots=True)
class JobForm:
    """The texts of the fields. `job_id` is None for a new job; `faults` are messages by the name of a field."""

    values: Mapping[str, str]
    job_id: str | None = None
    faults: Mapping[str, str] | None = None

    def value(self, name: str) -> str:
        return self.values.get(name, "")

    @property
    def has_limits(self) -> bool:
        """Whether one of the fields that are folded at first has a text or a fault."""
        return any(self.value(name) for name in LIMITS) or any(map(self.fault, LIMITS))

    def fault(self, name: str) -> str:
        return (self.faults or {}).get(name, "")


def new_values(zone: str) -> dict[str, str]:
    return {"kind": "cron", "rule": "0 2 * * 1-5", "timezone": zone, "task": "log", "queue": "default", "payload": "{}"}


def values_of(job: Mapping[str, Any]) -> dict[str, str]:
    """The texts for a job as the API answers it."""
    recurrence = job["recurrence"]
    kind, rule = (recurrence, "") if isinstance(recurrence, str) else next(iter(recurrence.items()))
    return {
        **{name: str(job[name]) for name in _TEXTS},
        **{name: job[name] or "" for name in _EMPTIED},
        "kind": kind,
        "rule": rule,
        "scheduled_at": job["scheduled_at"].isoformat().replace("+00:00", "Z"),
        **{name: str(job[name]) for name in _NUMBERS},
        "tags": ", ".join(job["tags"]),
        **{
            f"{group}_{name}": str((job[group] or {}).get(name, ""))
            for group, names in _GROUPS.items()
            for name in names
        },
        "payload": json_text(job["payload"]),
    }


def body_of(form: Mapping[str, str], schema: Any = None) -> dict[str, Any]:
    """The body of the request; an empty field is left out. Raises Problem 422 for what no body could say.

    `schema` is that of the task which has made the fields of the payload.
    """
    body: dict[str, Any] = {name: form[name].strip() for name in _TEXTS if form.get(name, "").strip()}
    kind, rule = form.get("kind", "none"), form.get("rule", "").strip()
    body["recurrence"] = {kind: rule} if kind in {"cron", "every", "rrule"} else kind
    if form.get("scheduled_at", "").strip():
        body["scheduled_at"] = form["scheduled_at"].strip()
    given = [name for name in _NUMBERS if form.get(name, "").strip()]
    body |= {name: _number(form[name], f"/{name}") for name in given}
    body |= {name: form[name].strip() or None for name in _EMPTIED if name in form}
    if "tags" in form:
        body["tags"] = [tag.strip() for tag in form["tags"].split(",") if tag.strip()]
    body |= {group: _group(form, group) for group in _GROUPS if f"{group}_key" in form}
    payload = merged(form, schema)
    if payload != {} or form.get("payload", "").strip():
        body["payload"] = payload
    return body


def _group(form: Mapping[str, str], group: str) -> dict[str, Any] | None:
    """The object whose fields the form has one by one; None if all of them are empty."""
    texts = {name: form.get(f"{group}_{name}", "").strip() for name in _GROUPS[group]}
    given: dict[str, Any] = {name: text for name, text in texts.items() if text}
    if "limit" in given:
        given["limit"] = _number(given["limit"], f"/{group}/limit")
    return given or None


def schedule_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The part of the body that a preview takes."""
    others = {name: text for name, text in form.items() if not name.startswith("payload")}
    return {name: value for name, value in body_of(others).items() if name in _SCHEDULE}


def changes(body: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch: the fields that differ from the job's."""
    now = orjson.loads(orjson.dumps(job, str, orjson.OPT_UTC_Z))
    return {name: value for name, value in body.items() if value != now.get(name)}


def faults_of(problem: Problem, form: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The messages beside their fields; what names no field of the form stands above it, with an empty name."""
    names = {"recurrence": "rule"}
    found: dict[str, str] = {}
    for fault in problem.faults:
        pointer = fault.pointer.strip("/")
        first, joined = pointer.split("/")[0], pointer.replace("/", "_")
        name = next((each for each in (pointer, joined) if each in form), f"{first}_key" if first in _GROUPS else first)
        found.setdefault(names.get(name, name), fault.message)
    return found or {"": problem.detail}


def _number(text: str, pointer: str) -> int:
    if not text.strip().isdecimal() or len(text) > 9:
        raise invalid(Fault(pointer, "this must be a whole number"))
    return int(text)
