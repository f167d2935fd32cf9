"""The form of a job: its texts, which of its folded parts are open, and the messages beside its fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from duebook_api.console.pages.job_fields import DEFAULTS, HEADS, MOST_FOLLOW_UPS, follow_ups_of
from duebook_api.http.problems import Problem

KINDS = (
    ("none", "once"),
    ("daily", "every day"),
    ("weekly", "every week"),
    ("cron", "by a cron expression"),
    ("every", "at an interval (PT15M)"),
    ("rrule", "by an RRULE"),
)
OVERLAPS = (
    ("skip", "skip: it is skipped"),
    ("buffer_one", "buffer one: one waits, others are skipped"),
    ("buffer_all", "buffer all: it waits for its turn"),
    ("cancel_other", "cancel other: the other is asked to stop"),
    ("terminate_other", "terminate other: the other is cancelled"),
    ("allow_all", "allow all: they run side by side"),
)
AFTER_FAILURE = (("false", "go on with the next time"), ("true", "pause the job until it is resumed"))
CATCH_UPS = (("latest", "run the latest of them"), ("all", "run each of them, in order"), ("none", "run none of them"))
GAPS = (("run_after", "runs at the first instant after it"), ("skip", "does not run"))
FOLDS = (("first", "runs the first time"), ("second", "runs the second time"), ("both", "runs both times"))
HANDED_ON = (("", "its own"), ("result", "the result of the run"))
OUTCOME_WORDS = {
    "succeeded": "succeeded",
    "dead_lettered": "failed for good",
    "attempt_failed": "failed an attempt",
    "skipped": "was skipped",
    "missed": "was missed",
    "cancelled": "was cancelled",
    "discarded": "was discarded",
}
# The fields of the parts that are folded at first.
MORE = (
    "backoff", "pause_on_failure", "catch_up", "notify", "concurrency", "rate", "start_within", "keep", "key",
    "metadata", "then",
)  # fmt: skip
MORE_OF_SCHEDULE = ("ends_at", "max_runs", "jitter", "dst")
_FOLLOW_UP = re.compile(r"then_\d+")


@dataclass(frozen=True, slots=True)
class JobForm:
    """The texts of the fields. `job_id` is None for a new job; `faults` are messages by the name of a field."""

    values: Mapping[str, str]
    job_id: str | None = None
    faults: Mapping[str, str] | None = None

    def value(self, name: str) -> str:
        return self.values.get(name, "")

    def fault(self, name: str) -> str:
        return (self.faults or {}).get(name, "")

    @property
    def has_more(self) -> bool:
        """Whether the part is open: one of its fields has a fault, or is not as in a new job."""
        return self._is_open(MORE) or bool(follow_ups_of(self.values))

    @property
    def has_more_of_schedule(self) -> bool:
        return self._is_open(MORE_OF_SCHEDULE)

    def _is_open(self, fields: tuple[str, ...]) -> bool:
        given, usual = (
            {(name, text) for name, text in texts.items() if text and name.startswith(fields) and name[:5] != "then_"}
            for texts in (self.values, DEFAULTS)
        )
        unticked = {name for name, _ in usual - given if name.startswith("notify_on_")}
        return bool(given - usual or unticked) or any(name.startswith(fields) for name in self.faults or {})

    def ticked(self, prefix: str) -> set[str]:
        """What is ticked of the boxes whose names begin so."""
        return {name.removeprefix(prefix) for name, text in self.values.items() if text and name.startswith(prefix)}

    @property
    def follow_ups(self) -> list[dict[str, Any]]:
        """Those that the form has, and one to be filled in."""
        given = follow_ups_of(self.values)
        return given + [{"job": "", "on": ["succeeded"], "payload": None}] * (len(given) < MOST_FOLLOW_UPS)


def new_values(zone: str) -> dict[str, str]:
    """A new job has the defaults of the API: it runs once, at once. Its task may choose its queue."""
    ticked = {name: text for name, text in DEFAULTS.items() if name.startswith("notify_on_")}
    return ticked | {"kind": "none", "timezone": zone, "task": "log", "payload": "{}"}


def faults_of(problem: Problem, form: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The messages beside their fields; what names no field of the form stands above it, with an empty name."""
    found: dict[str, str] = {}
    for fault in problem.faults:
        found.setdefault(_field_of(fault.pointer.strip("/"), form), fault.message)
    return found or {"": problem.detail}


def _field_of(pointer: str, form: Mapping[str, str]) -> str:
    """The most inner field that the pointer names; a field of the payload is named by the pointer itself."""
    if pointer in form:
        return pointer
    parts = pointer.split("/")
    for n in range(len(parts), 0, -1):
        name = "_".join(parts[:n])
        if name in form or name in HEADS or _FOLLOW_UP.fullmatch(name):
            return HEADS.get(name, name)
    return parts[0]
