"""The view models of dead letters: causes, the runs of one, and the workbench for a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from markupsafe import Markup

from duebook_api.console.pages.attempts import LineageStep
from duebook_api.console.pages.bulk import BulkLink, bulk_link
from duebook_api.console.pages.diffs import DiffLine, diff
from duebook_api.console.pages.json_text import plain
from duebook_api.console.pages.payload_form import PayloadForm
from duebook_api.console.pages.svg.sparkline import sparkline
from duebook_api.console.pages.times import Times
from duebook_api.console.pages.words import first_line, ordinal, sentence
from duebook_common.domain.bulk.events import BulkAction
from duebook_common.runtime.phrases import quantity

PATH = "/console/dead-letters"
TIMES = ("finished_from", "finished_to")
STEPS = 20
_RANGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cause:
    """A group of dead letters that failed alike. `drawing` shows when they died."""

    fingerprint: str
    title: str
    task: str
    count: int
    jobs: int
    first_seen: datetime
    last_seen: datetime
    drawing: Markup
    chosen: bool


@dataclass(frozen=True, slots=True)
class DeadLettersPage:
    causes: list[Cause]
    total: int
    more_causes: bool
    lead: str
    error: str
    redrive: BulkLink | None
    discard: BulkLink | None
    is_filtered: bool


def range_of(groups: Sequence[Mapping[str, Any]], now: datetime) -> tuple[datetime, datetime]:
    """The range of the drawings: since the oldest of the causes that grew within a day, and that day at most."""
    grew = (group["oldest"] for group in groups if group["last_seen"] >= now - _RANGE)
    oldest = min(grew, default=now - _RANGE)
    return max(oldest - timedelta(seconds=1), now - _RANGE), now + timedelta(seconds=1)


def dead_letters_page(
    groups: Sequence[Mapping[str, Any]],
    deaths: Mapping[str, Sequence[int]],
    chosen: str | None,
    used: Mapping[str, Any],
    times: Times,
    *,
    more: bool,
) -> DeadLettersPage:
    group = next((group for group in groups if group["fingerprint"] == chosen), None)
    of_group = dict(used) | {"fingerprint": chosen} if chosen else dict(used)
    return DeadLettersPage(
        causes=[_cause(each, deaths.get(each["fingerprint"], ()), chosen) for each in groups],
        total=sum(each["count"] for each in groups),
        more_causes=more,
        lead=_lead(group, times) if group else "",
        error=_error_words(group) if group else "",
        redrive=bulk_link(BulkAction.REDRIVE, of_group),
        discard=bulk_link(BulkAction.DISCARD, of_group),
        is_filtered=bool(used),
    )


def _cause(group: Mapping[str, Any], deaths: Sequence[int], chosen: str | None) -> Cause:
    title = first_line(group["error"])
    return Cause(
        fingerprint=group["fingerprint"],
        title=title,
        task=group["task"],
        count=group["count"],
        jobs=group["jobs"],
        first_seen=group["first_seen"],
        last_seen=group["last_seen"],
        drawing=sparkline(deaths, "dead", f"when they died: {quantity(group['count'], 'run')}"),
        chosen=group["fingerprint"] == chosen,
    )


def _lead(group: Mapping[str, Any], times: Times) -> str:
    """Like `60 runs failed alike since Thu 26 Nov 02:41 +01:00.`"""
    since = times.text(group["oldest"])
    alike = " alike" if group["count"] > 1 else ""
    return f"{quantity(group['count'], 'run')} failed{alike} since {since}."


def _error_words(group: Mapping[str, Any]) -> str:
    concerned = f"{quantity(group['jobs'], 'job')} of the task {group['task']}"
    return f"{sentence(first_line(group['error'], 160))} {concerned} {'is' if group['jobs'] == 1 else 'are'} concerned."


@dataclass(frozen=True, slots=True)
class Check:
    """What an edited payload is worth: what changes in it, and whether its task accepts it.

    `words` is the verdict in a few words, `faults` are those of the text or of the schema.
    """

    words: str
    faults: tuple[tuple[str, str], ...] = ()
    lines: tuple[DiffLine, ...] = ()
    changed: bool = False


def check(old: Any, new: Any, task: str, *, has_schema: bool, faults: Sequence[tuple[str, str]] = ()) -> Check:
    changed = not is_same(old, new)
    if faults:
        words = f"does not fit the schema of {task}"
    else:
        words = f"fits the schema of {task}" if has_schema else f"{task} has no schema, so any payload fits"
    return Check(words, tuple(faults), tuple(diff(old, new)) if changed else (), changed)


def is_same(old: Any, new: Any) -> bool:
    """Whether both are the same JSON: in Python, 1 equals true."""
    return orjson.dumps(plain(old), option=orjson.OPT_SORT_KEYS) == orjson.dumps(new, option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class Workbench:
    """One dead letter to be mended. `form` is the editor of its payload, `fault` why a redrive was refused."""

    id: UUID
    job_id: UUID
    name: str
    task: str
    queue: str
    error: str
    attempts: str
    died_at: datetime
    executor: str
    fingerprint: str
    lineage: list[LineageStep]
    payload: Any
    form: PayloadForm
    reason: str
    check: Check | None
    fault: str


def workbench(
    dead: Mapping[str, Any],
    checked: Check | None,
    form: PayloadForm,
    sent: Mapping[str, str] | None = None,
    fault: str = "",
) -> Workbench:
    """The dead letter as the API answers it, with what a form has sent."""
    sent = sent or {}
    attempts = dead["attempts"]
    return Workbench(
        id=dead["id"],
        job_id=dead["job_id"],
        name=dead["job_name"],
        task=dead["task"],
        queue=dead["queue"],
        error=dead["error"] or "",
        attempts=f"{attempts}, the last" if attempts > 1 else "1",
        died_at=dead["dead_lettered_at"],
        executor=dead["executor"] or "",
        fingerprint=dead["fingerprint"],
        lineage=[_step(step) for step in dead["lineage"]],
        payload=dead["payload"],
        form=form,
        reason=sent.get("reason", ""),
        check=checked,
        fault=fault,
    )


def _step(step: Mapping[str, Any]) -> LineageStep:
    if step["event"] == "RunDeadLettered":
        return LineageStep("dead", step["at"], "", "", "")
    return LineageStep("redriven", step["at"], step["actor"], step["reason"] or "", "", bool(step["own_payload"]))


@dataclass(frozen=True, slots=True)
class DeadRow:
    """A run of the chosen group."""

    id: UUID
    name: str
    died_at: datetime
    attempts: int
    times_dead: str
    chosen: bool


def dead_rows(newest: Sequence[Mapping[str, Any]], chosen: UUID | None) -> list[DeadRow]:
    return [_dead_row(dead, chosen) for dead in newest]


def _dead_row(dead: Mapping[str, Any], chosen: UUID | None) -> DeadRow:
    deaths = sum(step["event"] == "RunDeadLettered" for step in dead["lineage"])
    return DeadRow(
        id=dead["id"],
        name=dead["job_name"],
        died_at=dead["dead_lettered_at"],
        attempts=dead["attempts"],
        times_dead=f"dead for the {ordinal(deaths)} time" if deaths > 1 else "",
        chosen=dead["id"] == chosen,
    )
