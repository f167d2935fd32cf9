"""What a task's schema refuses in a payload, in words: the reason first, then the value, shortened.

A pattern says nothing to a reader, so a schema may have a sentence beside it: the keyword `errorMessage`, which says
what the value must be.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from jsonschema_rs import ValidationError, ValidationErrorKind

from duebook_api.http.problems import Fault, pointer

MASK = "this"  # stands for the value in the validator's own messages
_LONGEST_FAULT, _LONGEST_VALUE, _LONGEST_PATTERN = 300, 60, 80


def faults(schema: Any, error: ValidationError, root: str) -> Iterator[Fault]:
    """The faults that the error of this schema's validator describes; their pointers start with `root`."""
    at = root + pointer(error.instance_path)
    match error.kind:
        case ValidationErrorKind.Required(property=name):
            yield Fault(at + pointer([name]), "this field is required")
        case ValidationErrorKind.AdditionalProperties(unexpected=names):
            yield from (Fault(at + pointer([name]), "there is no such field") for name in names)
        case ValidationErrorKind.PropertyNames(error=inner):
            yield Fault(at + pointer([str(inner.instance)]), _refusal(_reason(schema, inner, "this name")))
        case ValidationErrorKind.AnyOf(context=branches) if branches:
            reasons = dict.fromkeys(_reason(schema, each) for branch in branches for each in branch[:1])
            yield Fault(at, _refusal(" or ".join(reasons), error.instance))
        case _:
            yield Fault(at, _refusal(_reason(schema, error), error.instance))


_NO_VALUE = object()


def _refusal(reason: str, value: Any = _NO_VALUE) -> str:
    shown = "" if value is _NO_VALUE else f", and is {_shortened(orjson.dumps(value).decode(), _LONGEST_VALUE)}"
    return f"the task refuses this: {_shortened(reason, _LONGEST_FAULT - _LONGEST_VALUE)}{shown}"


def _reason(schema: Any, error: ValidationError, subject: str = "it") -> str:
    if (sentence := _sentence(schema, error.schema_path)) is not None:
        return sentence
    match error.kind:
        case ValidationErrorKind.Pattern(pattern=pattern):
            return f"{subject} must match {_shortened(pattern, _LONGEST_PATTERN)}"
        case ValidationErrorKind.Enum(options=options):
            return f"{subject} must be one of {', '.join(orjson.dumps(option).decode() for option in options)}"
    message = error.message
    return f"{subject}{message.removeprefix(MASK)}" if message.startswith(MASK) else message


def _sentence(schema: Any, path: Sequence[str | int]) -> str | None:
    """The sentence beside the pattern that a value does not match, or beside what it must not match."""
    *parents, keyword = path
    if keyword not in {"pattern", "not"}:
        return None
    try:
        for step in [*parents, keyword] if keyword == "not" else parents:
            schema = schema[step]
    except (LookupError, TypeError):  # in a schema that a reference names by its `$id`
        return None
    sentence = schema.get("errorMessage") if isinstance(schema, Mapping) else None
    return sentence if isinstance(sentence, str) else None


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
