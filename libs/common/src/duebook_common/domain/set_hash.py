"""The hash of a set, to which members are added in any order: LtHash16 with 1,024 lanes, as by Bellare and Micciancio.

Each member is expanded by SHAKE-128 to 1,024 numbers of 16 bits, and the hash of a set is their sum, lane by lane. So
the hashes of disjoint sets add up to that of their union. Two different sets with the same hash are as hard to find as
short vectors of a lattice; no member may be added twice.
"""

from hashlib import sha256, shake_128

SIZE = 2048  # bytes
_MOST_ADDED = 65_536  # members, until a lane of 32 bits could overflow
_LOW = int.from_bytes(b"\xff\xff\x00\x00" * (SIZE // 4), "little")


class SetHash:
    """The hash of the members that were added; `state` is it in 2,048 bytes."""

    def __init__(self, state: bytes = bytes(SIZE)) -> None:
        """The hash of the set that has this state; raises ValueError for a state of another size."""
        if len(state) != SIZE:
            raise ValueError(f"a state has {SIZE} bytes, not {len(state)}")
        # Two sums of every other lane, so that each lane has 16 bits for carries.
        self._even, self._odd, self._added = 0, 0, 0
        self._add(state)

    def add(self, member: bytes) -> None:
        """Add a member, which the set does not have yet."""
        self._add(shake_128(member).digest(SIZE))

    def include(self, other: "SetHash") -> None:
        """Add all members of a disjoint set."""
        self._add(other.state)

    @property
    def state(self) -> bytes:
        return (self._even & _LOW | (self._odd & _LOW) << 16).to_bytes(SIZE, "little")

    @property
    def digest(self) -> bytes:
        """The state in 32 bytes: SHA-256."""
        return sha256(self.state).digest()

    def _add(self, lanes: bytes) -> None:
        numbers = int.from_bytes(lanes, "little")
        self._even += numbers & _LOW
        self._odd += numbers >> 16 & _LOW
        self._added += 1
        if self._added == _MOST_ADDED:
            self._even, self._odd, self._added = self._even & _LOW, self._odd & _LOW, 1
