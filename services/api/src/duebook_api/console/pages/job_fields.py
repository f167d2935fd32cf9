"""The fields of a job as texts of a form, and from texts the body that the API takes.

A field that is no object is a text of its name; a member of an object is a text of both names, as `backoff_max`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, get_args

from duebook_api.console.pages.json_text import json_text, plain
from duebook_api.console.pages.payload_form import merged
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.http.strict_json import parse
from duebook_api.schemas import views
from duebook_common.domain.definition import TASK_DEFAULTS, Definition, Outcome, RunEnd

OUTCOMES: tuple[str, ...] = get_args(Outcome)
RUN_ENDS: tuple[str, ...] = get_args(RunEnd)
MOST_FOLLOW_UPS = 20
SCHEDULE = ("recurrence", "scheduled_at", "timezone", "dst", "ends_at", "max_runs", "jitter")
_TICKED = "1"
_RULES = {"cron", "every", "rrule"}
Parser = Callable[[str, str], Any]


def _text(text: str, _pointer: str) -> str:
    return text


def _integer(text: str, pointer: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise invalid(Fault(pointer, "this must be a whole number, like 3"))
    return int(text)


def _number(text: str, pointer: str) -> float:
    try:
        return int(text) if text.isdecimal() and len(text) <= 9 else float(text)
    except ValueError:
        raise invalid(Fault(pointer, "this must be a number, like 1.5")) from None


def _object(text: str, pointer: str) -> Any:
    try:
        value = parse(text.encode()) if text.strip() else {}
    except Problem as problem:
        raise invalid(Fault(pointer, f'{problem.detail}; write it like {{"owner": "finance"}}')) from None
    if not isinstance(value, dict):
        raise invalid(Fault(pointer, 'this must be a JSON object, like {"owner": "finance"}'))
    return value


def _is_true(text: str, _pointer: str) -> bool:
    return text == "true"


# Left out of the body where the form has nothing.
_LEFT_OUT: dict[str, Parser] = {
    **dict.fromkeys(("name", "task", "queue", "timezone", "overlap", "timeout", "scheduled_at"), _text),
    **dict.fromkeys(("max_retries", "priority"), _integer),
    "pause_on_failure": _is_true,
}
# Null where the form has nothing.
_EMPTIED: dict[str, Parser] = {
    **dict.fromkeys(("key", "start_within", "keep", "jitter", "ends_at"), _text),
    "max_runs": _integer,
}
# Objects: null where the form has nothing for any of their members. `rate_key` is the `key` of `rate`.
_GROUPS: dict[str, dict[str, Parser]] = {
    "concurrency": {"key": _text, "limit": _integer},
    "rate": {"key": _text, "limit": _integer, "per": _text},
    "backoff": {"initial": _text, "factor": _number, "max": _text, "jitter": _number},
    "catch_up": {"policy": _text, "window": _text},
    "dst": {"gap": _text, "fold": _text},
}
# Where a fault of the whole object stands.
HEADS = {
    "recurrence": "rule",
    "notify": "notify_to",
    **{group: f"{group}_{next(iter(_GROUPS[group]))}" for group in _GROUPS},
}


def values_of(job: Mapping[str, Any]) -> dict[str, str]:
    """The texts for a job as the API answers it."""
    job = plain(job)
    recurrence = job["recurrence"]
    kind, rule = (recurrence, "") if isinstance(recurrence, str) else next(iter(recurrence.items()))
    return {
        "kind": kind,
        "rule": rule,
        **{name: _shown(job[name]) for name in (*_LEFT_OUT, *_EMPTIED)},
        **{f"{group}_{name}": _shown((job[group] or {}).get(name)) for group in _GROUPS for name in _GROUPS[group]},
        "tags": ", ".join(job["tags"]),
        "notify_to": ", ".join(job["notify"]["to"]),
        **{f"notify_on_{each}": _TICKED for each in job["notify"]["on"]},
        **dict(_follow_up_texts(job["then"])),
        "metadata": json_text(job["metadata"]) if job["metadata"] else "",
        "payload": json_text(job["payload"]),
    }


def _shown(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _follow_up_texts(follow_ups: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for n, each in enumerate(follow_ups):
        yield f"then_{n}_job", each["job"]
        yield f"then_{n}_payload", each["payload"] or ""
        yield from ((f"then_{n}_on_{end}", _TICKED) for end in each["on"])


def body_of(form: Mapping[str, str], schema: Any = None) -> dict[str, Any]:
    """The body of the request, without what the form does not have. Raises Problem 422 for what no body could say.

    `schema` is that of the task which has made the fields of the payload.
    """
    texts = {name: text.strip() for name, text in form.items() if name in _LEFT_OUT or name in _EMPTIED}
    body = {name: parser(texts[name], f"/{name}") for name, parser in _LEFT_OUT.items() if texts.get(name)}
    body["recurrence"] = _recurrence(form)
    for name, parser in _EMPTIED.items():
        if name in texts:
            body[name] = parser(texts[name], f"/{name}") if texts[name] else None
    body |= {group: _group(form, group) for group in _GROUPS if HEADS[group] in form}
    if "tags" in form:
        body["tags"] = _words(form["tags"])
    if "notify_to" in form:
        on = [each for each in OUTCOMES if form.get(f"notify_on_{each}")]
        body["notify"] = {"to": _words(form["notify_to"]), "on": on}
    if "then_0_job" in form:
        body["then"] = follow_ups_of(form)
    if "metadata" in form:
        body["metadata"] = _object(form["metadata"], "/metadata")
    payload = merged(form, schema)
    if payload != {} or form.get("payload", "").strip():
        body["payload"] = payload
    return body


def _recurrence(form: Mapping[str, str]) -> dict[str, str] | str:
    kind = form.get("kind", "none")
    return {kind: form.get("rule", "").strip()} if kind in _RULES else kind


def _group(form: Mapping[str, str], group: str) -> dict[str, Any] | None:
    texts = {name: form.get(f"{group}_{name}", "") for name in _GROUPS[group]}
    given = {
        name: _GROUPS[group][name](text if name == "key" else text.strip(), f"/{group}/{name}")  # a key is verbatim
        for name, text in texts.items()
        if text.strip()
    }
    return given or None


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def follow_ups_of(form: Mapping[str, str]) -> list[dict[str, Any]]:
    """The follow-ups whose job the form names."""
    return [
        {
            "job": form[f"then_{n}_job"].strip(),
            "on": [each for each in RUN_ENDS if form.get(f"then_{n}_on_{each}")],
            "payload": form.get(f"then_{n}_payload") or None,
        }
        for n in range(MOST_FOLLOW_UPS + 1)
        if form.get(f"then_{n}_job", "").strip()
    ]


def schedule_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The part of the body that a preview takes."""
    others = {name: text for name, text in form.items() if not name.startswith("payload")}
    return {name: value for name, value in body_of(others).items() if name in SCHEDULE and value is not None}


def changes(body: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch: the fields that differ from the job's.

    And from what the form reads in the texts that it shows of the job: a tag may have a comma, a name an outer space.
    """
    now = plain(job)
    shown = body_of({name: text for name, text in values_of(job).items() if name != "payload"})
    return {
        name: value
        for name, value in body.items()
        if _in_order(value) not in (_in_order(now.get(name)), _in_order(shown.get(name, now.get(name))))
    }


def whole(patch: Mapping[str, Any]) -> list[str]:
    """The fields of the patch that are replaced: a merge would keep a member that was emptied in the form."""
    return ["payload", "metadata", *(name for name in _GROUPS if patch.get(name) is not None)]


def given_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a new job without what is the default anyway. A task may choose a default: what it may is kept."""
    return {
        name: value
        for name, value in body.items()
        if value is not None and (name in TASK_DEFAULTS or not _is_default(name, value))
    }


def _is_default(name: str, value: Any) -> bool:
    default = _DEFAULT_JOB.get(name)
    completed = {**default, **value} if isinstance(default, dict) and name in _GROUPS else value
    return name != "name" and bool(_in_order(completed) == _in_order(default))


def _in_order(value: Any) -> Any:
    """The value with its outcomes in order: they are a set."""
    if isinstance(value, list):
        return [_in_order(each) for each in value]
    if isinstance(value, dict) and isinstance(value.get("on"), list):
        return value | {"on": sorted(set(value["on"]))}
    return value


_DEFAULT_JOB: dict[str, Any] = plain(
    views.definition(Definition(name="", scheduled_at=datetime(1970, 1, 1, tzinfo=UTC)))
)
DEFAULTS: Mapping[str, str] = MappingProxyType(values_of(_DEFAULT_JOB))
