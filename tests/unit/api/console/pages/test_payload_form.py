from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.json_text import json_text
from duebook_api.console.pages.payload_form import merged, payload_form, sent_form
from duebook_api.http.problems import Problem

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["to", "count"],
    "properties": {
        "to": {"type": "string", "description": "Who gets it."},
        "count": {"type": "integer"},
        "share": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": 0.5},
        "urgent": {"type": "boolean"},
        "mode": {"$ref": "#/$defs/Mode"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "server": {"$ref": "#/$defs/Server"},
        "deep": {"type": "array", "items": {"type": "object"}},
    },
    "$defs": {
        "Mode": {"enum": ["fast", 2, None]},
        "Server": {"type": "object", "required": ["host"], "properties": {"host": {"type": "string"}}},
    },
}
PAYLOAD = {"to": "a", "count": 2**60, "unknown": {"n": 2**60}, "server": {"port": 1}, "deep": [{"x": 1}]}


def _form(payload: Any = PAYLOAD, **changed: str) -> dict[str, str]:
    """What a browser sends of the form for this payload, with other texts in some fields."""
    shown = payload_form(json_text(payload), "mail", SCHEMA)
    fields = {field.name: field.text for field in shown.fields}
    others = {f"payload/{name.replace('__', '/')}": text for name, text in changed.items()}
    assert others.keys() <= fields.keys()
    return {"payload": shown.text, "payload_shown": shown.shown, "payload_task": "mail"} | fields | others


def test_a_field_stands_for_each_member_that_a_form_can_show() -> None:
    fields = {field.name.removeprefix("payload/"): field for field in payload_form("{}", "mail", SCHEMA).fields}
    assert list(fields) == ["to", "count", "server/host", "share", "urgent", "mode", "tags"]
    assert (fields["to"].required, fields["to"].hint) == (True, "Who gets it.")
    assert fields["share"].hint == "0.5 unless given."
    assert fields["urgent"].choices == (("", "not given"), ("true", "yes"), ("false", "no"))
    assert [word for _, word in fields["mode"].choices] == ["not given", "fast", "2", "null"]


def test_a_form_that_was_not_touched_keeps_the_payload_with_all_that_no_field_shows() -> None:
    assert merged(_form(), SCHEMA) == PAYLOAD


def test_a_changed_field_changes_its_member_only() -> None:
    form = _form(count=str(2**60 + 1), share="1.5", urgent="false", mode="2", tags="a\nb\n", server__host="h")
    assert merged(form, SCHEMA) == PAYLOAD | {
        "count": 2**60 + 1,
        "share": 1.5,
        "urgent": False,
        "mode": 2,
        "tags": ["a", "b"],
        "server": {"port": 1, "host": "h"},
    }


def test_an_emptied_field_removes_what_may_be_missing() -> None:
    payload = PAYLOAD | {"share": 1, "tags": ["a"]}
    assert merged(_form(payload, share="", tags="", to=""), SCHEMA) == PAYLOAD | {"to": ""}


def test_what_is_typed_into_the_json_counts_as_well() -> None:
    form = _form(to="b") | {"payload": '{"to": "a", "more": 1}'}
    assert merged(form, SCHEMA) == {"to": "b", "more": 1}


@pytest.mark.parametrize("text", ["1.5", "x", "1e3", "99999999999999999999999", '"1"'])
def test_a_field_that_is_no_whole_number_is_refused_by_its_name_and_keeps_its_text(text: str) -> None:
    form = _form(count=text)
    with pytest.raises(Problem) as caught:
        merged(form, SCHEMA)
    assert [fault.pointer for fault in caught.value.faults] == ["/payload/count"]
    again = sent_form(form, "mail", {"mail": SCHEMA})
    assert {field.name: field.text for field in again.fields}["payload/count"] == text


def test_a_value_that_its_field_could_not_show_stays_json() -> None:
    names = [field.name for field in payload_form('{"to": 1, "tags": ["a\\nb"], "mode": "odd"}', "mail", SCHEMA).fields]
    assert {"payload/to", "payload/tags", "payload/mode"}.isdisjoint(names)
    assert payload_form("[1]", "mail", SCHEMA).fields == ()


def test_the_json_of_the_editor_follows_the_fields_and_the_fields_the_json() -> None:
    schemas = {"mail": SCHEMA}
    by_field = sent_form(_form(to="b"), "mail", schemas)
    assert '"to": "b"' in by_field.text
    typed = '{"to":   "c", "count": 1}'
    by_json = sent_form(_form() | {"payload": typed}, "mail", schemas)
    assert (by_json.text, by_json.shown, by_json.fields[0].text) == (typed, typed, "c")


def test_a_large_or_broken_json_has_no_fields_and_says_why() -> None:
    assert "too large" in payload_form(json_text({"x": "y" * 40_000}), "mail", SCHEMA).hint
    assert "whole" in payload_form("{", "mail", SCHEMA).hint
    assert "whole" in sent_form(_form() | {"payload": "{"}, "mail", {"mail": SCHEMA}).hint


DEEP: dict[str, Any] = {
    "type": "object",
    "properties": {
        "request": {
            "properties": {
                "headers": {"type": "object", "additionalProperties": {"type": "string"}},
                "retry": {"properties": {"after": {"type": "array", "items": {"type": "number"}}}},
            }
        },
        "day": {"type": "string", "format": "date"},
        "share": {"type": "number", "minimum": 0, "maximum": 1},
    },
}


def _deep(payload: Any, **changed: str) -> dict[str, str]:
    shown = payload_form(json_text(payload), "t", DEEP)
    fields = {field.name: field.text for field in shown.fields}
    others = {f"payload/{name.replace('__', '/')}": text for name, text in changed.items()}
    return {"payload": shown.text, "payload_shown": shown.shown, "payload_task": "t"} | fields | others


def test_members_within_objects_have_fields_too() -> None:
    fields = {field.name.removeprefix("payload/"): field for field in payload_form("{}", "t", DEEP).fields}
    assert list(fields) == ["day", "share", "request/headers", "request/retry/after"]
    assert fields["day"].hint == "Like 2026-11-26."
    assert fields["share"].hint == "From 0 to 1."
    assert [fields[name].kind for name in ("request/headers", "request/retry/after")] == ["area", "area"]


def test_an_object_of_texts_and_a_list_of_numbers_are_read_line_by_line() -> None:
    payload = {"request": {"headers": {"Accept": "a: b"}, "retry": {"after": [1, 2.5]}, "more": 1}}
    assert merged(_deep(payload), DEEP) == payload
    changed = _deep(payload, request__headers="Accept: x:y\r\n\r\nHost:  h ", request__retry__after="3\n4.5\n")
    assert merged(changed, DEEP) == {
        "request": {"headers": {"Accept": "x:y", "Host": "h"}, "retry": {"after": [3, 4.5]}, "more": 1}
    }


@pytest.mark.parametrize(("field", "text"), [("request/headers", "no colon"), ("request/retry/after", "1\nx")])
def test_a_line_that_cannot_be_read_is_a_fault_of_its_field(field: str, text: str) -> None:
    with pytest.raises(Problem) as caught:
        merged(_deep({}, **{field.replace("/", "__"): text}), DEEP)
    assert [fault.pointer for fault in caught.value.faults] == [f"/payload/{field}"]


@pytest.mark.parametrize("headers", [{"a:b": "c"}, {"a": " c"}, {"a": 1}, {"a": "b\nc"}, {"": "x"}])
def test_an_object_that_lines_could_not_show_stays_json(headers: Any) -> None:
    names = [field.name for field in payload_form(json_text({"request": {"headers": headers}}), "t", DEEP).fields]
    assert "payload/request/headers" not in names


def test_a_schema_that_refers_to_itself_costs_a_bounded_number_of_steps() -> None:
    wide = {f"m{n}": {"$ref": "#/$defs/wide"} for n in range(100)}
    schema = {"properties": wide, "$defs": {"wide": {"type": "object", "properties": wide}}}
    assert payload_form("{}", "t", schema).fields == ()


NAMES = st.sampled_from(["a", "b/c", "~d", "properties", "$ref", "type"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXTS | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
_KEYWORDS = ["properties", "required", "$defs", "type", "enum", "anyOf", "$ref", "items", "additionalProperties"]
WILD = st.dictionaries(st.sampled_from(_KEYWORDS), JSON)


@given(WILD | JSON, st.dictionaries(NAMES, JSON, max_size=4))
def test_any_schema_leaves_an_untouched_payload_as_it_is(schema: Any, payload: dict[str, Any]) -> None:
    shown = payload_form(json_text(payload), "mail", schema)
    form = {"payload": shown.text, "payload_shown": shown.shown, "payload_task": shown.task}
    form |= {field.name: field.text for field in shown.fields}
    assert merged(form, schema) == payload
