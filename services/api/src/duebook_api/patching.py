"""A job's definition with a merge patch (RFC 7396) applied: null puts a field back to its default."""

from datetime import datetime
from typing import Any

import orjson

from duebook_api import views
from duebook_api.bodies import JobBody
from duebook_api.commands import define
from duebook_api.merge import merged
from duebook_api.replies import dumps
from duebook_api.requests import must_fit, validated
from duebook_common.domain.definition import Definition


def patched(current: Definition, patch: dict[str, Any], now: datetime, root: str = "") -> Definition:
    """The definition that a patch makes; raises Problem 422 or 413, its pointers beginning with `root`."""
    wanted = merged(orjson.loads(dumps(views.definition(current))), patch)
    if isinstance(patch.get("recurrence"), dict):  # one kind takes the place of another; they have nothing in common
        wanted["recurrence"] = patch["recurrence"]
    body = validated(JobBody, wanted, root)
    must_fit(body.payload, f"{root}/payload")
    return define(body, now, root)
