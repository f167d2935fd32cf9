"""The slots of an executor: `DUEBOOK_CONCURRENCY` attempts work at once, and some more may wait for their instant.

An attempt whose start was recorded ahead of its instant would take a slot for nothing while it waits. It gives its slot
back if slots become free soon after the instant, by what its task took lately: otherwise it would keep a run from
another executor of the queue.
"""

import asyncio
from math import inf

HELD_FOR_EACH_SLOT = 100
HELD_BYTES = 16 * 1024 * 1024
"""Of payloads as JSON; as objects of Python they may take ten times as much."""
_LONGEST_QUEUE_SECONDS = 0.1  # of the work of held attempts, shared out to the slots
_SHORT_SECONDS = 0.02  # a crowd of so short tasks is held whole
_LONGEST_WAIT_SECONDS = 1.0  # for a slot, after the instant
_LOOK_SECONDS, _LONGEST_CROWD_SECONDS = 0.005, 1.0
_BEGUN_PER_SECOND = 2_500  # held attempts: the more there are, the longer each may wait
_DECLINE = 0.1  # of a duration, towards a shorter one


class NoSlot(Exception):
    """No slot became free soon after the instant, or the attempt would keep one from others until then."""


class Slots:
    """Slots for `concurrency` attempts, acquired in turn. An attempt that is held gets its slot after its instant."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self._free = asyncio.Semaphore(concurrency)
        self._seconds: dict[str, float] = {}
        self._held = self._held_bytes = self._queued = 0

    async def acquire(self) -> None:
        await self._free.acquire()

    def release(self) -> None:
        self._free.release()

    def note_duration(self, task: str, seconds: float) -> None:
        """Learn from an attempt that has ended: a longer duration counts at once, a shorter one by and by."""
        last = self._seconds.get(task, seconds)
        self._seconds[task] = max(seconds, last + (seconds - last) * _DECLINE)

    def short_tasks(self) -> list[str]:
        """The tasks whose attempts are so short that a crowd of them is held: a scheduler may send it early."""
        return sorted(filter(self.is_short, self._seconds))

    def is_short(self, task: str) -> bool:
        return self._seconds.get(task, inf) <= _SHORT_SECONDS

    def may_hold(self, task: str) -> bool:
        """Whether an attempt of the task will soon get a slot after its instant, if it releases its slot until then."""
        seconds = self._seconds.get(task)
        if seconds is None or self._held >= self.concurrency * HELD_FOR_EACH_SLOT:
            return False
        return seconds <= _SHORT_SECONDS or (self._held + 1) * seconds <= self.concurrency * _LONGEST_QUEUE_SECONDS

    def hold(self, task: str, size: int = 0) -> bool:
        """Release the slot of an attempt until its instant, if it will soon get one then; False: it keeps its slot.

        `size` is that of its payload in bytes: large ones of many attempts would take the memory of this process.
        """
        if not self.may_hold(task) or self._held_bytes + size > HELD_BYTES:
            return False
        self._held += 1
        self._held_bytes += size
        self._free.release()
        return True

    async def acquire_again(self) -> None:
        """Wait for the slot of a held attempt, whose instant has come; raises NoSlot if none becomes free soon."""
        self._queued += 1
        try:
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS + self._held / _BEGUN_PER_SECOND):
                await self._free.acquire()
        except TimeoutError:
            raise NoSlot from None
        finally:
            self._queued -= 1

    async def let_crowd_begin(self) -> None:
        """Wait while held attempts whose instant has come get their slots; returns if none gets one, or after a second.

        What can wait, such as the record of an end, takes the processor from those that should have begun.
        """
        until = asyncio.get_running_loop().time() + _LONGEST_CROWD_SECONDS
        while (queued := self._queued) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._queued >= queued:
                return

    def stop_holding(self, size: int = 0) -> None:
        """A held attempt, whose payload has this size, has its slot again, or has ended without one."""
        self._held -= 1
        self._held_bytes -= size
