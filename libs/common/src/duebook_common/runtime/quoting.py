"""How an error names what it is about."""

import json
from typing import Any

_LONGEST = 40


def quoted(value: Any) -> str:
    """The value as JSON has it, but short."""
    match value:
        case str():
            return json.dumps(value[:_LONGEST], ensure_ascii=False)
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return json.dumps(value, default=str)[:_LONGEST]
