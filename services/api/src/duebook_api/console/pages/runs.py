"""The view model of the list of runs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from markupsafe import Markup

from duebook_api.console.pages.bulk import BulkLink, bulk_link, used_filters
from duebook_api.console.pages.status import look
from duebook_api.console.pages.svg.duration_bar import duration_bar
from duebook_api.console.pages.times import Times
from duebook_api.console.pages.words import cut, ordinal, sentence
from duebook_api.runs.run_list import RunQuery
from duebook_common.domain.bulk.events import BulkAction
from duebook_common.domain.run.state import RunStatus
from duebook_common.runtime.phrases import quantity, short_duration

STATUSES = tuple(status.value for status in RunStatus)
TIMES = ("due_from", "due_to", "finished_from", "finished_to")
TRIGGERS = (
    ("", "any"),
    ("schedule", "schedule"),
    ("manual", "manual"),
    ("catch_up", "catch-up"),
    ("backfill", "backfill"),
    ("rerun", "rerun"),
    ("follow_up", "follow-up"),
)
SORTS = (
    ("", "newest first"),
    ("created_at", "oldest first"),
    ("-due_at", "due last first"),
    ("due_at", "due first first"),
    ("-finished_at", "ended last first"),
    ("finished_at", "ended first first"),
)
_WAITS_FOR = {
    "overlap": "for another run of its job",
    "concurrency": "for a slot of its concurrency key",
    "rate": "for its rate",
    "task": "for an executor with its task",
    "paused": "for the resume of its job",
    "queue": "for the resume of its queue",
}


@dataclass(frozen=True, slots=True)
class RunRow:
    id: UUID
    job_id: UUID
    name: str
    task: str
    queue: str
    status: str
    more: str
    because: str
    due_at: datetime
    took: str
    bar: Markup
    attempts: str
    executor: str
    trigger: str


@dataclass(frozen=True, slots=True)
class RunsPage:
    """`sentence` says what the table shows; `is_filtered` that no runs need not mean that there are none."""

    rows: list[RunRow]
    sentence: str
    cancel: BulkLink | None
    is_filtered: bool
    has_more_filters: bool


def runs_page(runs: Sequence[Mapping[str, Any]], q: RunQuery, times: Times, *, is_all: bool = True) -> RunsPage:
    longest = longest_of(runs, times.now)
    used = used_filters(q)
    return RunsPage(
        rows=[_row(run, times, longest) for run in runs],
        sentence=runs_sentence(runs, times.now, is_all=is_all),
        cancel=bulk_link(BulkAction.CANCEL, used),
        is_filtered=bool(used),
        has_more_filters=any(name not in {"status", "q", "task", "queue"} for name in used),
    )


def took(run: Mapping[str, Any], now: datetime) -> timedelta | None:
    """How long its last attempt took, or has been running; None if it has not started, or its end is not known.

    A run knows when it ended. That is the end of its attempt only where the attempt's outcome was that of the run.
    """
    ends = {"running": now, "succeeded": run["finished_at"], "dead_lettered": run["finished_at"]}
    end = ends.get(run["status"])
    return None if end is None or run["started_at"] is None else max(timedelta(0), end - run["started_at"])


def longest_of(runs: Iterable[Mapping[str, Any]], now: datetime) -> timedelta:
    """The scale of the bars."""
    return max((span for run in runs if (span := took(run, now)) is not None), default=timedelta(0))


def bar_of(run: Mapping[str, Any], now: datetime, longest: timedelta) -> tuple[str, Markup]:
    """How long its last attempt took, in words and as a bar; empty where that is not known."""
    span = took(run, now)
    if span is None:
        return "", Markup()
    words, second = short_duration(span), timedelta(seconds=1)
    return words, duration_bar(span / second, longest / second, role_of(run), f"took {words}")


def because(run: Mapping[str, Any]) -> str:
    """What stands below the status: what it waits for, why it was left out, or its error."""
    reason = run.get("reason") or ""
    if run["status"] == "waiting":
        return _WAITS_FOR.get(reason, reason.replace("_", " "))
    if run["status"] == "succeeded":
        return ""
    return cut((reason or run["error"] or "").strip().partition("\n")[0])


def role_of(run: Mapping[str, Any]) -> str:
    """The colour of its bar: a success after retries looks retried."""
    return "retrying" if is_late_success(run) else look(run["status"]).role


def is_late_success(run: Mapping[str, Any]) -> bool:
    """Whether it succeeded after retries."""
    return run["status"] == "succeeded" and int(run["attempt"]) > 1


def _row(run: Mapping[str, Any], times: Times, longest: timedelta) -> RunRow:
    words, bar = bar_of(run, times.now, longest)
    return RunRow(
        id=run["id"],
        job_id=run["job_id"],
        name=run["job_name"],
        task=run["task"],
        queue=run["queue"],
        status=run["status"],
        more=f"{ordinal(run['attempt'])} attempt" if is_late_success(run) else "",
        because=because(run),
        due_at=run["due_at"],
        took=words,
        bar=bar,
        attempts=str(run["attempt"] or ""),
        executor=run["executor"] or "",
        trigger=dict(TRIGGERS).get(run["trigger"], run["trigger"].replace("_", " ")),
    )


def runs_sentence(runs: Sequence[Mapping[str, Any]], now: datetime, *, is_all: bool = True) -> str:
    """Like `3 runs: 2 succeeded, 1 dead letter. The longest took 41 s.`; it says where further pages have more."""
    if not runs:
        return ""
    counts = Counter(look(run["status"]).word for run in runs).most_common()
    parts = ", ".join(
        f"{number:,} {word}" if word != "dead letter" else quantity(number, word) for word, number in counts
    )
    longest = longest_of(runs, now)
    end = f" The longest took {short_duration(longest)}." if longest else ""
    where = "" if is_all else " on this page"
    return sentence(f"{quantity(len(runs), 'run')}{where}: {parts}") + end
