"""Merge patches of job definitions (RFC 7396): null resets a field to its default."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import orjson

from duebook_api.http.replies import dumps
from duebook_api.http.requests import must_fit, validated
from duebook_api.jobs.definition import define
from duebook_api.schemas import views
from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.schedules import ScheduleFields
from duebook_common.domain.definition import Definition

SCHEDULE = ScheduleFields.model_fields.keys()


def patched(
    current: Definition, patch: dict[str, Any], now: datetime, root: str = "", whole: Collection[str] = ()
) -> Definition:
    """The definition with the patch applied; raises Problem 422 or 413, with pointers that begin with `root`.

    Fields of the patch that `whole` names are replaced instead of merged: no patch says that a member is null.
    """
    wanted = merged(orjson.loads(dumps(views.definition(current))), patch)
    if isinstance(
        patch.get("recurrence"), dict
    ):  # {"cron": …} replaces {"every": …}: merged, both members would be left
        wanted["recurrence"] = patch["recurrence"]
    wanted |= {name: patch[name] for name in whole if name in patch}
    body = validated(JobBody, wanted, root)
    must_fit(body.payload, body.metadata, root)
    return define(body, now, root, new_schedule=bool(patch.keys() & SCHEDULE))


def merged(target: Any, patch: Any) -> Any:
    """The target with the patch merged into it, as in RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
