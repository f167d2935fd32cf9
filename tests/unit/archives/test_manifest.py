"""What a manifest's file holds."""

from dataclasses import replace

import pytest

from duebook_common.archives.manifest import ArchiveFile, LogPosition, ManifestInvalid, decode, digest, encode
from support.archives import EMPTY

FULL = replace(
    EMPTY,
    previous="ab" * 32,
    events=7,
    first=LogPosition(2**40, 5),
    last=LogPosition(2**63, 2**62),
    files=(ArchiveFile("2026-01/events-00001-cdcdcdcdcdcd.ndjson.zst", "events", 7, 400, "cd" * 32),),
)


@pytest.mark.parametrize("manifest", [EMPTY, FULL])
def test_a_manifest_is_read_back_as_it_was_written(manifest: object) -> None:
    assert decode(encode(manifest)) == replace(manifest, files=list(manifest.files))  # type: ignore[arg-type, type-var, attr-defined]


def test_the_same_manifest_has_the_same_hash() -> None:
    assert digest(encode(FULL)) == digest(encode(decode(encode(FULL))))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", encode(EMPTY)[:-20]])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(ManifestInvalid, match="not a manifest"):
        decode(content)


def test_a_manifest_of_a_later_format_is_refused_by_name() -> None:
    with pytest.raises(ManifestInvalid, match="format 2"):
        decode(encode(replace(EMPTY, format=2)))
