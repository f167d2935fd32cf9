"""The chain of archives as the log has it."""

from dataclasses import replace
from typing import Any

import pytest

from duebook_common.archives.chain import (
    RecordedManifest,
    check_chain,
    check_manifest,
    check_rewriting,
    left_over,
    to_sweep,
    unknown_manifests,
    was_tried,
)
from duebook_common.archives.manifest import ArchiveFile, decode, digest, encode
from support.archives import EMPTY

FIRST = RecordedManifest(1, "2026-01", "a1", None)
SECOND = RecordedManifest(2, "2026-02", "a2", "a1")
THIRD = RecordedManifest(3, "2026-03", "a3", "a2")


def test_a_sound_chain_has_no_fault() -> None:
    assert not list(check_chain([FIRST, SECOND, THIRD]))
    assert not list(check_chain([]))


def test_an_archive_that_the_log_lost_is_noticed() -> None:
    assert {fault.period for fault in check_chain([FIRST, THIRD])} == {"2026-03"}


def test_an_archive_that_another_replaced_is_noticed() -> None:
    replaced = RecordedManifest(2, "2026-02", "b2", "a1")
    assert [fault.period for fault in check_chain([FIRST, replaced, THIRD])] == ["2026-03"]


REWRITTEN = RecordedManifest(1, "2026-01", "b1", "a2", "a1")


def test_an_erasure_is_a_link_of_the_chain() -> None:
    third = replace(THIRD, previous="b1")
    assert not list(check_chain([FIRST, SECOND, REWRITTEN, third]))
    assert [fault.period for fault in check_chain([FIRST, SECOND, REWRITTEN, THIRD])] == ["2026-03"]


@pytest.mark.parametrize("changes", [{"replaces": "b9"}, {"replaces": None}, {"number": 2}, {"previous": "a1"}])
def test_an_erasure_that_follows_from_no_manifest_is_noticed(changes: dict[str, Any]) -> None:
    assert list(check_chain([FIRST, SECOND, replace(REWRITTEN, **changes)]))


def file(number: int, table: str = "events", lines: int = 7) -> ArchiveFile:
    return ArchiveFile(f"2026-01/{table}-{number % 4}-{number}.zst", table, lines, 400, f"{number:064}")


BEFORE = replace(EMPTY, files=(file(1), file(2), file(3, "log_lines")))
AFTER = replace(BEFORE, files=(file(1), file(6), file(7, "log_lines", 3)), link=2, replaces="a1", erasures=1)


def test_an_erasure_changes_files_and_nothing_else() -> None:
    assert not list(check_rewriting(BEFORE, AFTER))


@pytest.mark.parametrize(
    "changes",
    [
        {"erasures": 0},
        {"events": 6},
        {"period": "2026-02"},
        {"files": (file(1), file(6, lines=6), file(7, "log_lines", 3))},
        {"files": (file(1), file(6), file(7, "log_lines", 8))},
        {"files": (file(1), file(6), file(4, "log_lines", 3))},
        {"files": (file(1), file(6))},
        {"files": (replace(file(1), sha256="0"), file(6), file(7, "log_lines", 3))},
    ],
)
def test_an_erasure_that_changes_more_is_noticed(changes: dict[str, Any]) -> None:
    assert list(check_rewriting(BEFORE, replace(AFTER, **changes)))


def test_old_files_that_are_still_there_are_noticed() -> None:
    names = [f.name for f in (*BEFORE.files, *AFTER.files)]
    assert [fault.says.partition(" ")[0] for fault in left_over(AFTER, [BEFORE], names)] == [
        "2026-01/events-2-2.zst",
        "2026-01/log_lines-3-3.zst",
    ]


def test_what_no_manifest_names_is_swept() -> None:
    names = ["m/manifest-a.json", "m/manifest-b.json", *(f.name for f in (*BEFORE.files, *AFTER.files))]
    assert to_sweep(names, ["m/manifest-a.json", "m/manifest-b.json"], [AFTER]) == [
        "2026-01/events-2-2.zst",
        "2026-01/log_lines-3-3.zst",
    ]
    assert unknown_manifests(names, ["m/manifest-a.json"]) == ["m/manifest-b.json"]


def test_a_manifest_that_obeys_other_erasures_than_the_log_says_is_noticed() -> None:
    content = encode(AFTER)
    recorded = RecordedManifest(1, "2026-01", digest(content), None, "a1", 1)
    assert check_manifest(recorded, content) == decode(content)
    assert check_manifest(replace(recorded, erasures=2), content) != decode(content)


@pytest.mark.parametrize(
    ("link", "previous", "tried"),
    [(1, None, True), (2, "a1", True), (2, "b1", False), (3, "a2", False), (9, "a8", False)],
)
def test_a_try_follows_from_the_chain_and_another_history_does_not(
    link: int, previous: str | None, tried: bool
) -> None:
    assert was_tried(replace(EMPTY, link=link, previous=previous), ["a1", "a2"]) is tried
