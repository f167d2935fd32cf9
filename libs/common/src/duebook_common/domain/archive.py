"""The archives: what left the database for files, the chain that proves the files, and what was erased from them.

The stream `archives` has one event for each manifest, so that its versions number the links of the chain. Each archive
has a stream of its own for what is erased from it. The names and fields of the events are the storage format: add
fields with defaults, never rename.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

STREAM = "archives"


def stream_of(number: int) -> str:
    """The stream of what is erased from an archive."""
    return f"archive-{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogArchived:
    """The streams opened from `start` until before `end` (UTC) lie in an archive, and leave the database.

    `number` counts archives from 1. `digest` is the SHA-256 of the manifest, `previous` that of the manifest before.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedContentsErased:
    """The contents of these runs, or of these jobs with all their runs, are to leave the archive of this number.

    The next run of the archiver writes the files anew that have them.
    """

    number: int
    run_ids: tuple[UUID, ...]
    job_ids: tuple[UUID, ...]
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRewritten:
    """The archive of this number has files without the contents that were erased until then.

    `erasures` is the version of the last `ArchivedContentsErased` that the files obey. `digest` is the SHA-256 of the
    new manifest, `replaces` that of the manifest that held until then, and `previous` that of the last manifest of all
    archives. `bytes` is what the files hold.
    """

    number: int
    digest: str
    replaces: str
    previous: str
    erasures: int
    bytes: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive as it is now. `link` is the place of its manifest in the chain of all manifests, from 1.

    `previous` is the SHA-256 of the manifest before that. `erasures` is the version of the last erasure that the files
    obey, 0 without one.
    """

    number: int
    link: int
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
    erasures: int
    archived_at: datetime


def archived(event: LogArchived, link: int) -> Archive:
    """The archive that the event has recorded."""
    same = ("number", "period", "start", "end", "digest", "previous", "address", "events", "bytes")
    last = ("last_xid", "last_position")
    return Archive(
        link=link, erasures=0, archived_at=event.at, **{name: getattr(event, name) for name in (*same, *last)}
    )


def rewritten(archive: Archive, event: ArchiveRewritten, link: int) -> Archive:
    """The archive after its files were written anew."""
    changed = ("digest", "previous", "bytes", "erasures")
    return replace(archive, link=link, **{name: getattr(event, name) for name in changed})
