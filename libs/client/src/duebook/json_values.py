"""Python values as the JSON that Duebook stores: payloads, results, checkpoints, fields of log lines."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

_DEEPEST = 250
_INTEGERS = range(-(2**63), 2**64)


def plain(value: Any, depth: int = 0) -> Any:
    """The value as PostgreSQL can store it: text, numbers, true, false, None, lists and objects of these.

    Times, UUIDs, enums, dataclasses and pydantic models are converted. Raises ValueError or TypeError for the rest.
    """
    if depth > _DEEPEST:
        raise ValueError(f"it is nested deeper than {_DEEPEST} levels")
    match value:
        case None | bool():
            return value
        case Enum():
            return plain(value.value, depth)
        case str():
            return _text(value)
        case int():
            return _integer(value)
        case float():
            return _number(value)
        case Mapping():
            return _object(value.items(), depth)
        case list() | tuple():
            return [plain(item, depth + 1) for item in value]
        case _:
            return _other(value, depth)


def size(value: Any) -> int:
    """How many bytes of JSON a plain value takes."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def stored_text(text: object) -> str:
    """Any text as PostgreSQL can store it: without NUL and lone surrogates."""
    return str(text).replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _other(value: Any, depth: int) -> Any:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case _ if hasattr(type(value), "model_dump"):  # a model of pydantic, which is not imported for this
            return plain(value.model_dump(mode="json"), depth)
    if is_dataclass(value) and not isinstance(value, type):
        return _object(((field.name, getattr(value, field.name)) for field in fields(value)), depth)
    raise TypeError(f"Type is not JSON serializable: {type(value).__name__}")


def _object(items: Iterable[tuple[Any, Any]], depth: int) -> dict[str, Any]:
    return {_key(key): plain(item, depth + 1) for key, item in items}


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of an object must be text, not {type(key).__name__}")
    return _text(key)


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair") from None
    return str(text)


def _integer(number: int) -> int:
    if number not in _INTEGERS:
        raise ValueError("an integer of more than 64 bits")
    return int(number)


def _number(number: float) -> float:
    if not isfinite(number):
        raise ValueError("NaN or infinity")
    return float(number)
