"""Names of time zones, and what to write instead of a name that does not exist."""

import re
from functools import cache
from zoneinfo import available_timezones

from duebook_common.runtime.quoting import quoted

_OFFSET = re.compile(
    r"(?:(etc/gmt)|(?:etc/)?(?:utc|gmt|z)?)\s*([+\u2212-])\s*(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE | re.ASCII
)
_HIGHEST, _LOWEST = 14, -12  # hours of the zones Etc/GMT-14 and Etc/GMT+12
# Zones without DST for the offsets that no zone of Etc has, in minutes.
_UNEVEN = {
    -570: "Pacific/Marquesas",
    210: "Asia/Tehran",
    270: "Asia/Kabul",
    330: "Asia/Kolkata",
    345: "Asia/Kathmandu",
    390: "Asia/Yangon",
    525: "Australia/Eucla",
    570: "Australia/Darwin",
}
_ABBREVIATIONS = {
    "Europe/London": "bst",
    "Europe/Berlin": "cest mez mesz",
    "Europe/Athens": "eest",
    "Europe/Moscow": "msk",
    "America/New_York": "edt et",
    "America/Chicago": "cst cdt ct",
    "America/Denver": "mdt mt",
    "America/Los_Angeles": "pst pdt pt",
    "America/Sao_Paulo": "brt",
    "Asia/Kolkata": "ist",
    "Asia/Singapore": "sgt",
    "Asia/Tokyo": "jst",
    "Asia/Seoul": "kst",
    "Australia/Sydney": "aest aedt",
    "Pacific/Auckland": "nzst nzdt",
}


def zone(text: str) -> str:
    """The name without blanks around it; raises ValueError if there is no such zone."""
    name = text.strip()
    if name not in _zones():
        raise ValueError(f"{quoted(text)} is not a time zone; {_remedy(name)}")
    return name


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


def _remedy(name: str) -> str:
    if match := _OFFSET.fullmatch(name):
        etc, sign, hours, minutes = match.groups()
        total = int(hours) * 60 + int(minutes or 0)
        return _zone_of_offset(-total if (sign == "+") is bool(etc) else total)
    if name in {"Z", "z"}:
        return "use UTC"
    folded = re.sub(r"\s*/\s*", "/", name.lower()).replace(" ", "_")
    if similar := _zones_in_lower_case().get(folded):
        return f"did you mean {similar}?"
    if example := next((each for each, words in _ABBREVIATIONS.items() if folded in words.split()), None):
        return f"abbreviations are ambiguous and leave out DST; use an IANA name like {example}"
    return "use an IANA name like Europe/Berlin"


def _zone_of_offset(minutes: int) -> str:
    """A zone with that fixed offset. The names of Etc have the sign of POSIX, which is the opposite of ISO 8601."""
    hours, rest = divmod(minutes, 60)
    if minutes == 0:
        return "use UTC"
    if rest or not _LOWEST <= hours <= _HIGHEST:
        example = _UNEVEN.get(minutes)
        suffix = f"{example}, which has this offset" if example else "Europe/Berlin"
        return f"use an IANA name like {suffix}"
    direction = "ahead of" if hours > 0 else "behind"
    return (
        f"use Etc/GMT{-hours:+}, which is {abs(hours)} h {direction} UTC, because the sign in these names is reversed; "
        "where clocks change use an IANA name like Europe/Berlin"
    )


@cache
def _zones_in_lower_case() -> dict[str, str]:
    """Zones by their names and by their cities, in lower case; of zones with the same city a large continent's."""
    names = sorted(_zones(), key=lambda name: (not name.startswith(("Europe/", "America/", "Asia/")), name))
    by_city = {name.rpartition("/")[2].lower(): name for name in reversed(names)}
    return by_city | {name.lower(): name for name in names}
