"""The hash of a set depends on its members alone, and each of them changes it."""

from hashlib import shake_128

import pytest

from duebook_common.domain.set_hash import SIZE, SetHash


def hash_of(*members: bytes) -> bytes:
    made = SetHash()
    for member in members:
        made.add(member)
    return made.state


def test_the_hash_is_the_sum_of_its_members_lane_by_lane() -> None:
    lanes = [
        [int.from_bytes(expanded[n : n + 2], "little") for n in range(0, SIZE, 2)]
        for expanded in (shake_128(b"a").digest(SIZE), shake_128(b"b").digest(SIZE))
    ]
    sums = [(a + b) % 65_536 for a, b in zip(*lanes, strict=True)]
    assert hash_of(b"a", b"b") == b"".join(number.to_bytes(2, "little") for number in sums)


def test_the_order_does_not_count_and_each_member_does() -> None:
    members = [bytes([n]) for n in range(50)]
    assert hash_of(*members) == hash_of(*reversed(members))
    assert len({hash_of(*members[:n], *members[n + 1 :]) for n in range(50)} | {hash_of(*members)}) == 51


def test_hashes_of_disjoint_sets_add_up_to_that_of_their_union() -> None:
    left, right = SetHash(hash_of(b"a", b"b")), SetHash(hash_of(b"c"))
    left.include(right)
    assert left.state == hash_of(b"c", b"a", b"b")
    assert len(left.digest) == 32


def test_no_lane_overflows_into_the_next() -> None:
    highest = b"\xff" * SIZE
    made = SetHash()
    for _ in range(70_000):
        made._add(highest)
    assert made.state == ((-70_000) % 65_536).to_bytes(2, "little") * (SIZE // 2)


def test_a_state_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="2048 bytes"):
        SetHash(b"x")
