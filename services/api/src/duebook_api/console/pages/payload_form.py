"""The form of a payload: JSON, and fields beside it for what the schema of its task declares.

Both are sent. The JSON is the payload; a field changes its member of it only if its text differs from what was shown.
So nothing that no field shows is lost, and the form works without JavaScript.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from duebook_api.console.pages.json_text import json_text
from duebook_api.console.pages.payload_schema import LINES, NOTHING, Member, as_json, is_number, members, value_at
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.http.strict_json import parse

TEXT, SHOWN, TASK = "payload", "payload_shown", "payload_task"
LARGEST = 32_000  # characters: a form holds the JSON twice
LONG = 80  # characters from which on a text has several lines
_INTEGER = re.compile(r"-?\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class PayloadField:
    """A field with the text that it shows; `choices` are (value, word)."""

    name: str
    label: str
    kind: str
    hint: str
    text: str
    required: bool
    choices: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PayloadForm:
    """The JSON in the editor and the fields beside it. `shown` is the JSON with which the fields are compared later.

    `task` is the one whose schema has made the fields; `hint` says why there are none.
    """

    text: str
    task: str = ""
    shown: str = ""
    fields: Sequence[PayloadField] = ()
    hint: str = ""


def payload_form(text: str, task: str, schema: Any) -> PayloadForm:
    """The form for this JSON."""
    if not schema:
        return PayloadForm(text)
    if len(text) > LARGEST:
        return PayloadForm(text, hint="The payload is too large for fields.")
    try:
        payload = parse_text(text)
    except Problem:
        return PayloadForm(text, hint="The fields of the task appear again when the JSON is whole.")
    fields = [_field(each, text_of(each, value_at(payload, each.path))) for each in members(schema, payload)]
    return PayloadForm(text, task, text, fields) if fields else PayloadForm(text)


def sent_form(form: Mapping[str, str], task: str, schemas: Mapping[str, Any]) -> PayloadForm:
    """The form after it was sent, for its present task.

    The JSON stays as it was typed unless a field changes it. Fields that were filled in wrongly stay as they are.
    """
    text, before = form.get(TEXT, ""), form.get(TASK, "")
    try:
        payload = merged(form, schemas.get(before))
    except Problem:
        fields = _as_sent(form, schemas.get(before))
        return (
            PayloadForm(text, before, form.get(SHOWN, ""), fields)
            if fields
            else payload_form(text, task, schemas.get(task))
        )
    new = text if _is_text_of(text, payload) else json_text(payload)
    return payload_form(new, task, schemas.get(task))


def _as_sent(form: Mapping[str, str], schema: Any) -> list[PayloadField]:
    try:
        shown = parse_text(form.get(SHOWN, ""))
        parse_text(form.get(TEXT, ""))
    except Problem:
        return []
    return [_field(each, form[each.name]) for each in members(schema, shown) if each.name in form]


def _is_text_of(text: str, payload: Any) -> bool:
    return bool(text.strip()) and as_json(payload) == as_json(parse_text(text))


def merged(form: Mapping[str, str], schema: Any) -> Any:
    """The payload that a form has sent; raises Problem 422, with the pointer of the field."""
    payload = parse_text(form.get(TEXT, ""))
    if not any(name.startswith(f"{TEXT}/") for name in form):
        return payload
    shown = parse_text(form.get(SHOWN, ""))
    faults = list[Fault]()
    for member in members(schema, shown):
        text = form.get(member.name)
        if text is None or text == text_of(member, value_at(shown, member.path)):
            continue
        try:
            payload = _with(payload, member.path, _value(member, text))
        except Problem as problem:
            faults += problem.faults
    if faults:
        raise invalid(*faults)
    return payload


def parse_text(text: str) -> Any:
    """The value of the JSON; an empty text is an empty object. Raises Problem 422."""
    try:
        return parse(text.encode()) if text.strip() else {}
    except Problem as problem:
        raise invalid(Fault("/payload", problem.detail)) from None


def text_of(member: Member, value: Any) -> str:
    """What the field shows, as a browser sends it back."""
    if value is NOTHING:
        return ""
    if member.kind == "text":
        return str(value).replace("\r\n", "\n").replace("\r", "\n")
    if member.kind == "pairs":
        return "\n".join(f"{name}: {each}" for name, each in value.items())
    if member.kind in LINES:
        return "\n".join(each if isinstance(each, str) else as_json(each) for each in value)
    return as_json(value)


def _field(member: Member, text: str) -> PayloadField:
    is_long = member.kind in LINES or "\n" in text or len(text) > LONG
    choices = [(each, _word(each)) for each in member.choices]
    if choices and not (text and member.required):
        choices.insert(0, ("", "not given"))
    kind = "area" if is_long and not choices else member.kind
    return PayloadField(member.name, member.label, kind, member.hint, text, member.required, tuple(choices))


def _word(text: str) -> str:
    value = parse(text.encode())
    return value if isinstance(value, str) and value else {"true": "yes", "false": "no"}.get(text, text)


def _value(member: Member, text: str) -> Any:
    """What a text of the field stands for; NOTHING removes the member."""
    if not text and not (member.required and member.kind in {"text", *LINES}):
        return NOTHING
    if member.kind == "text":
        return text
    if member.kind in LINES:
        return _of_lines(member, [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()])
    if member.kind == "choice":
        return parse(text.encode()) if text in member.choices else _refuse(member, "this is none of the values")
    return _number(member, text.strip())


def _of_lines(member: Member, lines: Sequence[str]) -> Any:
    if member.kind == "lines":
        return list(lines)
    if member.kind == "numbers":
        return [_number(member, line.strip()) for line in lines]
    if any(not line.partition(":")[1] or not line.partition(":")[0].strip() for line in lines):
        _refuse(member, "each line must be a name, a colon and a value")
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _number(member: Member, text: str) -> Any:
    if member.kind == "integer" and not _INTEGER.fullmatch(text):
        _refuse(member, "this must be a whole number")
    try:
        value = parse(text.encode())
    except Problem as problem:
        message = "this must be a number" if problem.status == 400 else problem.faults[0].message
        _refuse(member, message)
    return value if is_number(value) else _refuse(member, "this must be a number")


def _refuse(member: Member, message: str) -> Any:
    raise invalid(Fault(f"/{member.name}", message))


def _with(payload: Any, path: tuple[str, ...], value: Any) -> Any:
    """The payload with this member; what is no object on the way becomes one."""
    step, rest = path[0], path[1:]
    inner = dict(payload) if isinstance(payload, dict) else {}
    if not rest and value is NOTHING:
        inner.pop(step, None)
        return inner
    if rest and value is NOTHING and not isinstance(inner.get(step), dict):
        return inner
    inner[step] = _with(inner.get(step), rest, value) if rest else value
    return inner
