"""Schedules in words, as lists and headings show them."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from duebook_api.schedules.preview import description
from duebook_api.schemas.schedules import RecurrenceBody
from duebook_common.domain.definition import Definition, Every
from duebook_common.runtime.phrases import interval

_CITY = re.compile(r" in (?:[A-Z][A-Za-z_-]+/)+([A-Z][A-Za-z_-]+)$")


def in_words(job: Mapping[str, Any]) -> str:
    """Like `Every weekday at 02:00 in Berlin`, for a job as the API answers it."""
    recurrence = orjson.dumps(job["recurrence"]).decode()
    return _in_words(recurrence, job["scheduled_at"], job["timezone"])


@lru_cache(10_000)
def _in_words(recurrence: str, scheduled_at: datetime, zone: str) -> str:
    parsed = RecurrenceBody.model_validate(orjson.loads(recurrence)).recurrence()
    if isinstance(parsed, Every):
        return f"Every {interval(parsed.every)}"
    if parsed == "none":
        return "Once"
    words = description(Definition(name="-", scheduled_at=scheduled_at, timezone=zone, recurrence=parsed))
    return _CITY.sub(lambda match: f" in {match[1].replace('_', ' ')}", words)
