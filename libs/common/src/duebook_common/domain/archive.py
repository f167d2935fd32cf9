"""The events of the stream of archives: what left the database for files, and the chain that proves the files.

The names and fields of the events are the storage format: add fields with defaults, never rename.
"""

from dataclasses import dataclass
from datetime import datetime

STREAM = "archives"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogArchived:
    """The streams opened from `start` until before `end` (UTC) lie in an archive, and leave the database.

    `number` counts archives from 1. `digest` is the SHA-256 of the manifest, `previous` that of the archive before.
    `address` says where the archives are. `events` and `bytes` are what the files hold, `last_xid` and `last_position`
    the position of the last event.
    """

    number: int
    period: str
    start: datetime
    end: datetime
    digest: str
    previous: str | None
    address: str
    events: int
    bytes: int
    last_xid: int | None
    last_position: int | None
    at: datetime
