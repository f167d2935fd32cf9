"""Which members of a payload a form can show, from the JSON Schema of its task. All others stay JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import orjson

from duebook_api.console.pages.words import cut

MOST_FIELDS = 60
_TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "choice"}
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_DEPTH = 5  # references that lead to references
_LONGEST_PATH, _MOST_VISITS = 4, 2_000  # objects within objects; members of the schema that are looked at
LINES = frozenset({"lines", "numbers", "pairs"})  # kinds whose field has several lines
_FORMATS = {"date": "2026-11-26", "date-time": "2026-11-26T02:00:00Z", "time": "02:00:00Z", "duration": "PT5M"}
NOTHING: Any = object()  # a member that the payload does not have


@dataclass(frozen=True, slots=True)
class Member:
    """A member that a form can show. `path` has one name, or more within objects.

    `kind` is `text`, `integer`, `number`, `choice`, `lines` (an array of strings), `numbers` (an array of numbers) or
    `pairs` (an object of strings whose names are free); `choices` are JSON texts.
    """

    path: tuple[str, ...]
    kind: str
    label: str
    hint: str
    required: bool
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its field in the form: a JSON pointer into the body."""
        return "payload/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in self.path)


def members(schema: Any, payload: Any) -> list[Member]:
    """The members, required ones first, but those whose present value their field could not show."""
    if not isinstance(payload, dict) or not isinstance(schema, Mapping):
        return []
    visits = iter(range(_MOST_VISITS))
    found = (each for each in _of_object(schema, schema, (), visits) if _can_show(each, value_at(payload, each.path)))
    return sorted(islice(found, MOST_FIELDS), key=lambda each: (not each.required, each.kind in LINES, len(each.path)))


def value_at(payload: Any, path: tuple[str, ...]) -> Any:
    """The member, or NOTHING."""
    for step in path:
        if not isinstance(payload, dict) or step not in payload:
            return NOTHING
        payload = payload[step]
    return payload


def _of_object(schema: Any, root: Any, path: tuple[str, ...], visits: Iterator[int]) -> Iterator[Member]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping):
        return
    for (name, declared), _ in zip(properties.items(), visits, strict=False):
        shown = _resolved(declared, root)
        is_required = isinstance(required, list) and name in required
        if "properties" in shown and len(path) + 1 < _LONGEST_PATH:
            yield from _of_object(shown, root, (*path, name), visits)
        elif (kind := _kind(shown)) is not None:
            yield _member((*path, name), kind, shown, is_required=is_required)


def _resolved(declared: Any, root: Any) -> dict[str, Any]:
    """The schema of a member without references, and without the alternative null."""
    schema = declared if isinstance(declared, dict) else {}
    for _ in range(_DEPTH):
        reference, outer = schema.get("$ref"), {name: each for name, each in schema.items() if name != "$ref"}
        if isinstance(reference, str):
            found = value_at(root, tuple(reference.removeprefix("#/").split("/")))
            schema = {**found, **outer} if isinstance(found, dict) else {}
        elif (only := _only_alternative(schema)) is not None:
            schema = {**only, **{name: each for name, each in outer.items() if name not in _ALTERNATIVES}}
        else:
            break
    return schema


def _only_alternative(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    given = [schema[name] for name in _ALTERNATIVES if isinstance(schema.get(name), list)]
    others = [each for each in chain(*given) if isinstance(each, dict) and each.get("type") != "null"]
    return others[0] if len(others) == 1 else None


def _kind(schema: Mapping[str, Any]) -> str | None:
    if isinstance(schema.get("enum"), list):
        return "choice"
    if schema.get("type") == "array":
        return _kind_of_items(schema.get("items"))
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return "pairs" if isinstance(values, dict) and values.get("type") == "string" else None
    return _TYPES.get(schema["type"]) if isinstance(schema.get("type"), str) else None


def _kind_of_items(items: Any) -> str | None:
    if not isinstance(items, dict) or "enum" in items:
        return None
    return {"string": "lines", "integer": "numbers", "number": "numbers"}.get(str(items.get("type")))


def _member(path: tuple[str, ...], kind: str, schema: Mapping[str, Any], *, is_required: bool) -> Member:
    values = schema.get("enum", [True, False]) if kind == "choice" else []
    return Member(
        path=path,
        kind=kind,
        label=" · ".join(path),
        hint=_hint(schema, kind),
        required=is_required,
        choices=tuple(as_json(value) for value in values),
    )


def _hint(schema: Mapping[str, Any], kind: str) -> str:
    """Like `Who gets it. From 1 to 9. One in each line. 5 unless given.`"""
    description = schema.get("description")
    parts = [cut(description.strip().rstrip("."))] if isinstance(description, str) else []
    parts += [_bounds(schema)] if {"minimum", "maximum"} & schema.keys() else []
    parts += [f"Like {_FORMATS[schema['format']]}"] if schema.get("format") in _FORMATS else []
    parts += ["One in each line"] if kind in {"lines", "numbers"} else []
    parts += ["A name, a colon and a value in each line"] if kind == "pairs" else []
    parts += [f"{cut(as_json(schema['default']), 80)} unless given"] if schema.get("default") is not None else []
    return ". ".join(parts) + "." if parts else ""


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = (cut(as_json(schema[name]), 40) if name in schema else "" for name in ("minimum", "maximum"))
    return f"From {low} to {high}" if low and high else f"At least {low}" if low else f"At most {high}"


def _can_show(member: Member, value: Any) -> bool:
    if value is NOTHING:
        return True
    if member.kind == "text":
        return isinstance(value, str)
    if member.kind == "lines":
        return isinstance(value, list) and all(isinstance(each, str) and each and "\n" not in each for each in value)
    if member.kind == "numbers":
        return isinstance(value, list) and all(is_number(each) for each in value)
    if member.kind == "pairs":
        return isinstance(value, dict) and all(_is_pair(*each) for each in value.items())
    if member.kind == "choice":
        return as_json(value) in member.choices
    return is_number(value) and (member.kind == "number" or isinstance(value, int))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_pair(name: str, value: Any) -> bool:
    """Whether a line can hold both, and they can be read from it again."""
    if not isinstance(value, str) or not name or ":" in name:
        return False
    return all(each == each.strip() and not each.splitlines()[1:] for each in (name, value))


def as_json(value: Any) -> str:
    return orjson.dumps(value).decode()
