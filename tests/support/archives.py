"""Archives made up by hand, each with two files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from duebook_common.archives.chain import RecordedManifest
from duebook_common.archives.lines import LineFile
from duebook_common.archives.manifest import LogPosition, Manifest, digest, encode, manifest_name
from duebook_common.archives.targets import Target

LATER = datetime(2999, 1, 1, tzinfo=UTC)  # when a test opens the next period
ANY_AGE = timedelta(days=-400_000)  # a retention after which also a period that ends then is old enough
EMPTY = Manifest(
    number=1,
    link=1,
    period="2026-01",
    start=datetime(2026, 1, 1, tzinfo=UTC),
    end=datetime(2026, 2, 1, tzinfo=UTC),
    previous=None,
    events=0,
    first=None,
    last=None,
    files=(),
    written_at=datetime(2026, 4, 1, tzinfo=UTC),
)


async def write_archive(target: Target, manifest: Manifest, tables: Mapping[str, Sequence[bytes]]) -> RecordedManifest:
    """Write an archive with one file for each table; returns what the log would say of it."""
    files = []
    for table, lines in tables.items():
        file = LineFile(f"{manifest.period}/{table}-00001", table)
        await file.write(b"".join(line + b"\n" for line in lines))
        described, content = file.complete()
        await target.put(described.name, content)
        files.append(described)
    events = len(tables.get("events", ()))
    whole = replace(manifest, files=files, events=events, first=LogPosition(1, 1), last=LogPosition(1, events))
    content = encode(whole)
    await target.put(manifest_name(whole.period, digest(content)), content)
    return RecordedManifest(whole.number, whole.period, digest(content), whole.previous)


async def write_archives(target: Target, months: int) -> list[RecordedManifest]:
    """A chain of archives, from January 2026 on."""
    recorded: list[RecordedManifest] = []
    for number in range(1, months + 1):
        previous = recorded[-1].digest if recorded else None
        manifest = replace(EMPTY, number=number, link=number, period=f"2026-{number:02}", previous=previous)
        events = [b'{"version": %d, "month": %d}' % (version, number) for version in range(1, 101)]
        recorded.append(await write_archive(target, manifest, {"events": events, "runs": events[:10]}))
    return recorded
