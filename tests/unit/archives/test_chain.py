"""The chain of archives as the log has it."""

from duebook_common.archives.chain import RecordedManifest, check_chain

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
