"""Makes every process use the time zone rules of the pinned `tzdata` package, never those of its machine.

With different rules two machines would compute different nominal times for the same schedule.
"""

import zoneinfo

import tzdata

VERSION: str = tzdata.IANA_VERSION  # such as 2026b; recorded in events that depend on it


def pin() -> None:
    """Load zones from the package from now on, and drop those loaded before."""
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
