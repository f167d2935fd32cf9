"""Durations as text: ISO 8601 without months and years, which have no fixed length."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Strict

from duebook_common.runtime.iso_duration import iso
from duebook_common.runtime.quoting import quoted

__all__ = ["Duration", "iso"]

_ISO = re.compile(r"P(?!$)(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?", re.ASCII)
_MAX_DIGITS = 12
_BOUNDS = "a duration is between PT0S and P36500D"


def _check_text(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        raise ValueError(
            f"{quoted(value)} is not a duration; write it like PT90S, PT15M or P1D (ISO 8601, without months and years)"
        )
    if any(len(digits) > _MAX_DIGITS for digits in re.findall(r"\d+", value)):
        raise ValueError(_BOUNDS)
    return value


def _check_bounds(value: timedelta) -> timedelta:
    if value < timedelta(0) or value > timedelta(days=36500):
        raise ValueError(_BOUNDS)
    return value


Duration = Annotated[
    timedelta,
    Strict(strict=False),
    BeforeValidator(_check_text, json_schema_input_type=str),
    AfterValidator(_check_bounds),
]
