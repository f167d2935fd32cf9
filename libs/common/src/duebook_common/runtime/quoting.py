"""Quoting values in error messages."""

import json
from typing import Any

_LONGEST = 40


def quoted(value: Any) -> str:
    """The value as JSON, cut to 40 characters; a list or an object only by its kind."""
    match value:
        case str():
            return json.dumps(value[:_LONGEST], ensure_ascii=False)
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return json.dumps(value, default=str)[:_LONGEST]
