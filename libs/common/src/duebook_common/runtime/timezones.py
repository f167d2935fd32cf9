"""The time zones' rules: the pinned package's in every process, never those that a machine happens to have.

Two machines with different rules would name different nominal times for the same schedule.
"""

import zoneinfo

import tzdata

VERSION: str = tzdata.IANA_VERSION  # such as 2026b; recorded with what was decided by it


def pin() -> None:
    """Read zones from the package from now on, and forget those that were read before."""
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
