"""The fields that only answers have: a client may send an answer back, changed or not."""

from collections.abc import Mapping
from typing import Any

import orjson

from duebook_api.http.problems import Fault, invalid, pointer
from duebook_api.http.replies import dumps
from duebook_api.schemas.views import View

# Warnings are no state of the job: others may apply by now.
_READ_ONLY = frozenset(
    {"id", "status", "held", "next_due_at", "created_at", "updated_at", "version", "reason", "warnings"}
)
_NONE = object()


def split_read_only(value: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that a client may change, and the others, which an answer has as well."""
    read_only = {name: member for name, member in value.items() if name in _READ_ONLY}
    return {name: member for name, member in value.items() if name not in read_only}, read_only


def must_equal(view: View, read_only: Mapping[str, Any]) -> None:
    """Raises Problem 422 for read-only fields that differ from the job's; equal ones come from an answer sent back."""
    current = orjson.loads(dumps({name: view[name] for name in read_only if name in view}))
    if differing := [
        name for name, value in read_only.items() if name != "warnings" and current.get(name, _NONE) != value
    ]:
        message = "this field is read-only, and the job has another value; leave it out"
        raise invalid(*(Fault(pointer([name]), message) for name in differing))
