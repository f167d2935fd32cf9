"""The sentences of explanations, with their times in the reader's zone."""

import re
from datetime import datetime

from markupsafe import Markup, escape

from duebook_api.console.pages.times import Times

# Quoted text comes from outside and stays as it is. The local time that may follow a time in UTC is left out.
_QUOTE_OR_TIME = re.compile(
    r"(?P<quote>“[^”]*”)|"
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z)"
    r"( \(([0-9]{4}-[0-9]{2}-[0-9]{2} )?[0-9]{2}:[0-9]{2}(:[0-9]{2})? in [A-Za-z0-9_+/-]{1,64}\))?"
)


def in_zone(sentence: str, times: Times, job_zone: str | None = None) -> Markup:
    """The sentence as markup: each time that it names in UTC is shown like every other time of the page."""
    parts, end = list[Markup](), 0
    for match in _QUOTE_OR_TIME.finditer(sentence):
        parts += [escape(sentence[end : match.start()]), _shown(match, times, job_zone)]
        end = match.end()
    return Markup("").join([*parts, escape(sentence[end:])])


def _shown(match: re.Match[str], times: Times, job_zone: str | None) -> Markup:
    try:
        return escape(match[0]) if match["quote"] else times.absolute(datetime.fromisoformat(match["time"]), job_zone)
    except (ValueError, OverflowError):
        return escape(match[0])  # no such date, or none in the reader's zone
