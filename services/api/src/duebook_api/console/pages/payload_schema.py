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
NOTHING: Any = object()  # a member that the payload does not have


@dataclass(frozen=True, slots=True)
class Member:
    """A member that a form can show. `path` has one name, or two within an object.

    `kind` is `text`, `integer`, `number`, `choice` or `lines` (an array of strings); `choices` are JSON texts.
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
    found = (each for each in _of_object(schema, schema, ()) if _can_show(each, value_at(payload, each.path)))
    return sorted(
        islice(found, MOST_FIELDS), key=lambda each: (not each.required, each.kind == "lines", len(each.path))
    )


def value_at(payload: Any, path: tuple[str, ...]) -> Any:
    """The member, or NOTHING."""
    for step in path:
        if not isinstance(payload, dict) or step not in payload:
            return NOTHING
        payload = payload[step]
    return payload


def _of_object(schema: Any, root: Any, path: tuple[str, ...]) -> Iterator[Member]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping):
        return
    for name, declared in properties.items():
        shown = _resolved(declared, root)
        is_required = isinstance(required, list) and name in required
        if not path and shown.get("type") == "object":
            yield from _of_object(shown, root, (name,))
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
        items = schema.get("items")
        return "lines" if isinstance(items, dict) and items.get("type") == "string" and "enum" not in items else None
    return _TYPES.get(schema["type"]) if isinstance(schema.get("type"), str) else None


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
    """Like `Who gets it. One in each line. 5 unless given.`"""
    description = schema.get("description")
    parts = [cut(description.strip().rstrip("."))] if isinstance(description, str) else []
    parts += ["One in each line"] if kind == "lines" else []
    parts += [f"{cut(as_json(schema['default']), 80)} unless given"] if schema.get("default") is not None else []
    return ". ".join(parts) + "." if parts else ""


def _can_show(member: Member, value: Any) -> bool:
    if value is NOTHING:
        return True
    if member.kind == "text":
        return isinstance(value, str)
    if member.kind == "lines":
        return isinstance(value, list) and all(isinstance(each, str) and each and "\n" not in each for each in value)
    if member.kind == "choice":
        return as_json(value) in member.choices
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (member.kind == "number" or isinstance(value, int))


def as_json(value: Any) -> str:
    return orjson.dumps(value).decode()
