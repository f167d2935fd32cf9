"""Merge patches of job definitions (RFC 7396): null resets a field to its default."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from duebook_api.http.replies import dumps
from duebook_api.http.requests import must_fit, validated
from duebook_api.jobs.definition import define
from duebook_api.schemas import views
from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.schedules import KINDS, ScheduleFields
from duebook_api.schemas.task_defaults import DefaultsOf, no_defaults, with_task_defaults
from duebook_common.domain.definition import Definition

SCHEDULE = ScheduleFields.model_fields.keys()


def patched(
    current: Definition,
    patch: dict[str, Any],
    now: datetime,
    root: str = "",
    whole: Collection[str] = (),
    defaults_of: DefaultsOf = no_defaults,
) -> Definition:
    """The definition with the patch applied; raises Problem 422 or 413, with pointers that begin with `root`.

    Fields of the patch that `whole` names are replaced instead of merged: no patch says that a member is null. Unknown
    ones are refused with the value null too: merged, that would take away what is not there, without a word.
    """
    wanted = merged(orjson.loads(dumps(views.definition(current))), patch)
    if isinstance(patch.get("recurrence"), dict):
        wanted["recurrence"] = _recurrence(wanted["recurrence"], patch["recurrence"])
    wanted |= {name: value for name, value in patch.items() if name in whole or name not in JobBody.model_fields}
    left_out = tuple(name for name in current.left_out if name not in patch)
    wanted = {name: value for name, value in wanted.items() if name not in left_out}
    body = with_task_defaults(validated(JobBody, wanted, root), defaults_of, replace(current, left_out=left_out))
    must_fit(body.payload, body.metadata, root)
    return define(body, now, root, new_schedule=bool(patch.keys() & SCHEDULE))


def _recurrence(merged_members: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The members that a patch leaves: {"cron": …} replaces {"every": …}, and null takes a kind away.

    An unknown member stays, to be refused by its name.
    """
    given = {name: value for name, value in patch.items() if value is not None or name not in KINDS}
    return given or merged_members


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
