"""Rates as text: `600/PT1M` is 600 in a minute."""

import re
from dataclasses import dataclass
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from duebook_common.runtime.durations import Duration, iso
from duebook_common.runtime.quoting import quoted

_TEXT = re.compile(r"(\d{1,9})/(\S+)", re.ASCII)
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any span of `per`, as a bucket of `count` units that is refilled evenly within `per`."""

    count: int
    per: timedelta

    @property
    def per_second(self) -> float:
        return self.count / self.per.total_seconds()

    def __str__(self) -> str:
        return f"{self.count}/{iso(self.per)}"


def parse_rate(text: object) -> Rate | None:
    """The rate in a text like `600/PT1M`; None for `off`. Raises ValueError for any other text."""
    if text == "off" or text is None or isinstance(text, Rate):
        return None if isinstance(text, str) else text
    match = _TEXT.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{quoted(text)} is not a rate; write it like 600/PT1M (600 in a minute), or off")
    try:
        per = _DURATION.validate_python(match[2])
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    if not _SHORTEST <= per <= _LONGEST or per.microseconds or int(match[1]) < 1:
        raise ValueError("a rate counts 1 or more, in whole seconds from PT1S to P1D; off removes the limit")
    return Rate(int(match[1]), per)
