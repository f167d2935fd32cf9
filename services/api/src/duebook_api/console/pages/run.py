"""The view model of the page of one run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from duebook_api.console.pages.attempts import Attempt, LineageStep, RunEvent, attempts_of, lineage_of
from duebook_api.console.pages.runs import because
from duebook_api.console.pages.status import look
from duebook_api.console.pages.svg.elements import twin
from duebook_api.console.pages.svg.timeline import Span, timeline
from duebook_api.console.pages.times import Times
from duebook_api.console.pages.words import cut, ordinal
from duebook_common.domain.run.state import ENDED
from duebook_common.runtime.phrases import short_duration

_SHOWN_ATTEMPTS = 200
ENDED_STATUSES = frozenset({*(status.value for status in ENDED), "dead_lettered"})


@dataclass(frozen=True, slots=True)
class AttemptRow:
    number: int
    status: str
    more: str
    executor: str
    started_at: datetime
    took: str
    waited: str
    error: str


@dataclass(frozen=True, slots=True)
class ProgressView:
    """How far the last attempt has come. `percent` is None if its task has not said it."""

    percent: int | None
    words: str
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class RunPage:
    """`is_over`: nothing more happens unless an operator acts. `cause_path` leads to what has made it."""

    run: Mapping[str, Any]
    zone: str | None
    because: str
    drawing: Markup
    twin: Markup
    attempts: list[AttemptRow]
    left_out: int
    lineage: list[LineageStep]
    cause_path: str
    cause_word: str
    bulks: list[str]
    trace: str
    is_over: bool
    progress: ProgressView | None = None


def run_page(run: Mapping[str, Any], events: Sequence[RunEvent], times: Times, zone: str | None) -> RunPage:
    """The run with its events, as of `times.now`."""
    attempts, is_over = attempts_of(events), run["status"] in ENDED_STATUSES
    spans = _spans(run, attempts, times.now)
    cause_word, cause_path = _cause(run)
    return RunPage(
        run=run,
        zone=zone,
        because=because(run),
        drawing=timeline(_title(run, attempts), spans, None if is_over else times.now, _clock(spans, times, zone)),
        twin=_twin(spans, times, zone),
        attempts=[_row(attempt, previous, times.now) for previous, attempt in _pairs(attempts)][-_SHOWN_ATTEMPTS:],
        left_out=max(0, len(attempts) - _SHOWN_ATTEMPTS),
        lineage=lineage_of(events),
        cause_path=cause_path,
        cause_word=cause_word,
        bulks=list(dict.fromkeys(event.bulk for event in events if event.bulk)),
        trace=_trace(run, events),
        is_over=is_over,
        progress=progress_view(run.get("progress")),
    )


def progress_view(progress: Mapping[str, Any] | None) -> ProgressView | None:
    """The progress with words for it, like `40 %: 2 of 5 files`."""
    if progress is None:
        return None
    percent = None if progress["share"] is None else int(round(progress["share"] * 100, 6))  # 100 only at the end
    words = [] if percent is None else [f"{percent} %"]
    return ProgressView(percent, ": ".join([*words, *filter(None, [progress["text"]])]), progress["reported_at"])


def _pairs(attempts: Sequence[Attempt]) -> list[tuple[Attempt | None, Attempt]]:
    return list(zip([None, *attempts], attempts, strict=False))


def _row(attempt: Attempt, previous: Attempt | None, now: datetime) -> AttemptRow:
    waited = attempt.started_at - previous.ended_at if previous is not None and previous.ended_at is not None else None
    return AttemptRow(
        number=attempt.number,
        status=attempt.status,
        more=attempt.outcome if attempt.outcome in {"failed", "lost", "released"} else "",
        executor=attempt.executor,
        started_at=attempt.started_at,
        took=short_duration(max(timedelta(0), (attempt.ended_at or now) - attempt.started_at)),
        waited=short_duration(max(timedelta(0), waited)) if waited is not None else "",
        error=attempt.error,
    )


def _spans(run: Mapping[str, Any], attempts: Sequence[Attempt], now: datetime) -> list[Span]:
    """From its due time: the wait, each attempt, and the next one if it is planned."""
    due_at: datetime = run["due_at"]
    end = (run["finished_at"] or now) if not attempts else attempts[0].started_at
    spans = [_wait(due_at, end, run["status"] if not attempts else "waiting", now)]
    spans += [_attempt_span(attempt, now) for attempt in attempts]
    if attempts and run["status"] == "retrying" and (retry_at := attempts[-1].retry_at) is not None:
        at = max(retry_at, now)
        spans.append(Span(f"attempt {attempts[-1].number + 1} is due", at, at, "retrying", planned=True))
    return spans


def _wait(due_at: datetime, end: datetime, status: str, now: datetime) -> Span:
    if end < due_at:
        return Span("due", due_at, due_at, "waiting", active=False, planned=True)
    word = f"waited {short_duration(end - due_at)}" if status == "waiting" or end < now else look(status).word
    return Span(word, due_at, end, "waiting", active=False)


def _attempt_span(attempt: Attempt, now: datetime) -> Span:
    end = max(attempt.ended_at or now, attempt.started_at)
    label = f"attempt {attempt.number}: {attempt.outcome}, {short_duration(end - attempt.started_at)}"
    return Span(label, attempt.started_at, end, look(attempt.status).role)


def _title(run: Mapping[str, Any], attempts: Sequence[Attempt]) -> str:
    number = f"{ordinal(len(attempts))} attempt" if attempts else "no attempt yet"
    return f"Timeline of the run: {look(run['status']).word}, {number}"


def _clock(spans: Sequence[Span], times: Times, zone: str | None) -> Any:
    """Times of one day without their date."""
    days = {times.local(time, zone).date() for span in spans for time in (span.start, span.end)}
    pattern = "%H:%M:%S" if len(days) == 1 else "%d %b %H:%M:%S"
    return lambda time: times.local(time, zone).strftime(pattern)


def _twin(spans: Sequence[Span], times: Times, zone: str | None) -> Markup:
    rows = [
        (span.label, times.text(span.start, zone, seconds=True), times.text(span.end, zone, seconds=True))
        for span in spans[:_SHOWN_ATTEMPTS]
    ]
    return twin("The timeline as a table", ("what", "from", "to"), rows)


def _cause(run: Mapping[str, Any]) -> tuple[str, str]:
    """What has made the run: another run, or a bulk operation."""
    cause = run.get("cause")
    if cause is None:
        return "", ""
    if run["trigger"] == "manual":
        return "made by the bulk operation", f"/console/bulk/{cause}"
    return "repeats the run" if run["trigger"] == "rerun" else "follows the run", f"/console/runs/{cause}"


def _trace(run: Mapping[str, Any], events: Sequence[RunEvent]) -> str:
    """The id of its trace: that of the request which made it, else the run's own."""
    parts = events[0].traceparent.split("-") if events else []
    return parts[1] if len(parts) == 4 else str(run["id"]).replace("-", "")


def log_lines(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The lines with their fields as text, oldest first, each at most so long that a page can hold them."""
    return [
        {**entry, "message": cut(entry["message"], 2_000), "fields_text": _fields_text(entry.get("fields") or {})}
        for entry in reversed(entries)
    ]


def _fields_text(fields: Mapping[str, Any]) -> str:
    texts = (
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in fields.items()
    )
    return cut(" ".join(texts), 1_000)
