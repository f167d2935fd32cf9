"""Payloads as a client sends them."""

import json
from typing import Any

from duebook.client.encoding import plain

_LARGEST = 256 * 1024  # bytes of JSON


def as_json(payload: Any) -> Any:
    """The payload after its way through JSON; raises ValueError for one that no API takes."""
    text = json.dumps(payload, default=plain, allow_nan=False)
    if len(text.encode()) > _LARGEST:
        raise ValueError(f"a payload has at most {_LARGEST} bytes of JSON")
    return json.loads(text)
