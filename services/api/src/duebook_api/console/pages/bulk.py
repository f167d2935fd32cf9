"""Bulk operations: the dialog that asks for one, the list, and the page of one with its progress."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from duebook_api.console.pages.actions import Action, Field
from duebook_api.console.pages.copies import copies, curl, options, value_text
from duebook_api.console.pages.words import count, first_line
from duebook_api.schemas.bulk import filters_of
from duebook_common.domain.bulk.events import BulkAction
from duebook_common.runtime.phrases import quantity, short_duration
from duebook_common.store.bulk_targets import STATUSES

PATH = "/console/bulk"
FROM_HERE_TYPED = 1_000
"""Above so many targets their count must be typed."""


class Words(NamedTuple):
    """`noun` is what the action is done to."""

    verb: str
    doing: str
    noun: str
    after: str = ""


_REDRIVEN = "Each gets new attempts with the payload that it has. An edit in the workbench is not sent."
WORDS = {
    BulkAction.PAUSE: Words("Pause", "Pausing", "job", "Runs under way go on."),
    BulkAction.RESUME: Words("Resume", "Resuming", "job", "What was due during the pause is not caught up."),
    BulkAction.TRIGGER: Words("Trigger", "Triggering", "job", "Each gets a run now, beside those of its schedule."),
    BulkAction.DELETE: Words("Delete", "Deleting", "job", "No further run of them starts. Their history stays."),
    BulkAction.CANCEL: Words("Cancel", "Cancelling", "run", "Those that are running are interrupted."),
    BulkAction.REDRIVE: Words("Redrive", "Redriving", "dead letter", _REDRIVEN),
    BulkAction.DISCARD: Words("Discard", "Discarding", "dead letter", "None of them gets a further attempt."),
}
_DANGEROUS = {BulkAction.DELETE, BulkAction.CANCEL, BulkAction.DISCARD}


@dataclass(frozen=True, slots=True)
class BulkLink:
    """A link to the dialog, or in `unfit` the filters for which there is no such operation."""

    query: dict[str, Any]
    unfit: tuple[str, ...] = ()


def used_filters(q: Any) -> dict[str, Any]:
    """The filters of a list that are set, without what only orders or divides the list."""
    return {name: value for name, value in q if value and name not in {"limit", "cursor", "sort"}}


def bulk_link(action: BulkAction, used: Mapping[str, Any]) -> BulkLink | None:
    """The operation on what a list's filters match; None where these only match what the action does not concern."""
    wanted = dict(used)
    if "status" in wanted:
        wanted["status"] = [each for each in wanted["status"] if each in STATUSES[action]]
        if not wanted["status"]:
            return None
        if action in {BulkAction.REDRIVE, BulkAction.DISCARD}:
            del wanted["status"]
    unfit = tuple(name for name in wanted if name not in filters_of(action))
    query = {name: _text(value) for name, value in wanted.items()} or {"all": "true"}
    return BulkLink({"action": action.value} | query, unfit)


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list | tuple) else value_text(value)


def filter_words(filter_: Mapping[str, Any]) -> str:
    """Like `queue mail, text “refused”, due from 2026-11-24 02:00:00 UTC`; `all` without a filter."""
    return ", ".join(_filter_word(name, value) for name, value in filter_.items() if name != "all") or "all"


def _filter_word(name: str, value: Any) -> str:
    if name == "q":
        return f"text “{value}”"
    text = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else _text(value)
    return f"{name.replace('_', ' ')} {text}"


@dataclass(frozen=True, slots=True)
class BulkForm:
    """What the dialog is about: the action on the `matched` targets of a filter, and what a form has sent of it.

    `error` is that of the newest dead letter, where all have failed alike.
    """

    action: BulkAction
    filter: Mapping[str, Any]
    matched: int
    back: str
    once: str
    sent: Mapping[str, str]
    fault: str = ""
    error: str = ""


def dialog(form: BulkForm, url: str, *, needs_key: bool) -> Action:
    words, must_type = WORDS[form.action], form.matched > FROM_HERE_TYPED
    targets = quantity(form.matched, words.noun)
    return Action(
        title=f"{words.verb} {targets}",
        submit=words.verb,
        path=f"{PATH}/new",
        back=form.back,
        notes=tuple(_notes(form, targets)),
        fields=(*_hidden(form), *_fields(form, must_type=must_type)),
        is_dangerous=form.action in _DANGEROUS,
        copies=copies(
            curl(url, "POST", _body(form), needs_key=needs_key), ["bulk", form.action.value, *_options(form)]
        ),
        fault=form.fault,
    )


def _notes(form: BulkForm, targets: str) -> Iterator[str]:
    yield f"{targets} {'matches' if form.matched == 1 else 'match'}: {filter_words(form.filter)}."
    if form.error:
        yield f"All failed alike, the newest with “{first_line(form.error, 160)}”."
    yield WORDS[form.action].after


def _hidden(form: BulkForm) -> list[Field]:
    values = {"action": form.action.value, "back": form.back, "once": form.once, "shown": str(form.matched)}
    values |= {f"filter.{name}": "true" if value is True else _text(value) for name, value in form.filter.items()}
    return [Field(name, kind="hidden", value=value) for name, value in values.items()]


def _fields(form: BulkForm, *, must_type: bool) -> list[Field]:
    def sent(name: str) -> str:
        return form.sent.get(name, "")

    targets = f"{WORDS[form.action].noun}s".capitalize()
    fields = [
        Field("reason", "Reason", value=sent("reason"), hint="It stands in the log beside your name.", required=True),
        Field("rate", f"{targets} a second, at most", value=sent("rate"), hint="Empty: as fast as it goes."),
        Field(
            "limit", f"{targets} in all, at most", value=sent("limit"), hint="For a trial with the oldest. Empty: all."
        ),
    ]
    if must_type:
        label = f"Type {form.matched} to confirm"
        hint = "Not needed with a limit of 1,000 or less."
        fields.append(Field("confirm", label, hint=hint, value=sent("confirm"), is_conditional=True))
    return fields


def _body(form: BulkForm) -> dict[str, Any]:
    """The request for copies: as it was filled in, else with a place for the reason."""
    filter_ = {name: list(value) if isinstance(value, tuple) else value for name, value in form.filter.items()}
    return {"action": form.action.value, "filter": filter_, "reason": form.sent.get("reason") or "…"}


def _options(form: BulkForm) -> list[str]:
    return [*options(form.filter), "--reason", form.sent.get("reason") or "…"]


def fault_of_count(shown: int, now: int, typed: str, limit: int | None) -> str:
    """Why the request cannot go on: more match than the dialog has said, or the count is not typed; else empty."""
    if now > max(shown * 1.1, shown + 10):
        return f"{count(now)} match now, and the dialog had said {count(shown)}. Look again."
    if max(shown, now) <= FROM_HERE_TYPED or (limit is not None and limit <= FROM_HERE_TYPED):
        return ""
    typed = typed.replace(",", "").replace(" ", "")
    return "" if typed == str(shown) else f"Type the count, {shown}, so that it is certain that so many are meant."


@dataclass(frozen=True, slots=True)
class BulkView:
    """An operation as the list and its page show it. `share` is in percent."""

    id: UUID
    title: str
    status: str
    target: str
    reason: str
    requested_by: str
    requested_at: datetime
    ended_at: datetime | None
    share: int
    progress: str
    refusals: tuple[tuple[str, int], ...]
    abort: str
    action: BulkAction
    filter: Mapping[str, Any]


def bulk_view(operation: Mapping[str, Any], now: datetime) -> BulkView:
    """An operation as the API answers it."""
    action = BulkAction(operation["action"])
    return BulkView(
        id=UUID(operation["id"]),
        title=title(operation),
        status=operation["status"],
        target=filter_words(operation["filter"]),
        reason=operation["reason"],
        requested_by=operation["requested_by"],
        requested_at=operation["requested_at"],
        ended_at=operation["ended_at"],
        share=_share(operation),
        progress=_progress(operation, now),
        refusals=tuple((name.replace("_", " "), number) for name, number in operation["reasons"].items()),
        abort=_abort(operation),
        action=action,
        filter=operation["filter"],
    )


def title(operation: Mapping[str, Any]) -> str:
    """Like `Redriving 60 dead letters at 5 a second`."""
    words = WORDS[BulkAction(operation["action"])]
    matched = operation["matched"]
    number = matched if operation["limit"] is None else min(matched, operation["limit"])
    rate = "" if operation["rate"] is None else f" at {operation['rate']:g} a second"
    return f"{words.doing} {quantity(number, words.noun)}{rate}"


def _share(operation: Mapping[str, Any]) -> int:
    dealt_with = operation["done"] + operation["refused"]
    return 100 if not operation["left"] else 100 * dealt_with // (dealt_with + operation["left"])


def _progress(operation: Mapping[str, Any], now: datetime) -> str:
    """Like `26 of 60 done · 1 refused · 7 s left`."""
    done, refused = operation["done"], operation["refused"]
    parts = [f"{count(done)} of {count(done + refused + operation['left'])} done"]
    parts += [f"{count(refused)} refused"] if refused else []
    end = operation["estimated_end_at"]
    if operation["status"] == "running" and operation["left"] and end is not None:
        parts.append(f"about {short_duration(end - now)} left")
    return " · ".join(parts)


def _abort(operation: Mapping[str, Any]) -> str:
    if operation["status"] != "aborted":
        return ""
    reason = f": “{operation['abort_reason']}”" if operation.get("abort_reason") else ""
    return f"aborted by {operation['aborted_by']}{reason}"


class Outcome(NamedTuple):
    """So many runs have this status; `words` are like `1 failed again`."""

    status: str
    words: str


_ORDER = ("succeeded", "dead_lettered", "running", "retrying", "dispatched", "waiting")


def outcomes(action: BulkAction, found: Mapping[str, int] | None) -> list[Outcome]:
    """What became of the runs, in the order of `_ORDER`; nothing for an action on jobs."""
    numbers = dict.fromkeys(_ORDER, 0) | dict(found or {})
    return [
        Outcome(status, f"{count(number)} {_became(action, status)}") for status, number in numbers.items() if number
    ]


def _became(action: BulkAction, status: str) -> str:
    if status == "dead_lettered":
        return "failed again" if action is BulkAction.REDRIVE else "failed"
    return "sent to an executor" if status == "dispatched" else status


def now_matching(action: BulkAction, number: int) -> str:
    """How many match now: those that are still to come, those that were refused, and those that failed again."""
    nouns = {BulkAction.REDRIVE: "dead letter", BulkAction.CANCEL: "active run"}
    return f"{quantity(number, nouns.get(action, WORDS[action].noun))} {'matches' if number == 1 else 'match'} now"


def abort_dialog(view: BulkView, url: str, *, needs_key: bool) -> Action:
    path = f"{PATH}/{view.id}"
    return Action(
        title=f"Abort: {view.title}",
        submit="Abort",
        path=f"{path}/abort",
        back=path,
        notes=(f"{view.progress}. What was done stays done.",),
        fields=(Field("reason", "Reason", hint="It stands in the log beside your name."),),
        is_dangerous=True,
        copies=copies(
            curl(f"{url}/{view.id}/abort", "POST", {"reason": "…"}, needs_key=needs_key),
            ["bulk", "abort", str(view.id)],
        ),
    )
