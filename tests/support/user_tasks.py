"""Tasks as users may write them, including misbehaving ones."""

import asyncio
import os
import resource
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from duebook.context import Context
from duebook.errors import Fail
from duebook.tasks import task

_TICK = 0.05


class Nap(BaseModel):
    """A task goes on for so many seconds, and until the file `gate` exists."""

    seconds: float = 0
    gate: Path | None = None

    @property
    def may_end(self) -> bool:
        return self.gate is None or self.gate.exists()


class Until(BaseModel):
    attempt: int


class Kind(BaseModel):
    kind: Literal["set", "object", "bytes", "huge", "half", "nul", "loop"]


class Raised(BaseModel):
    kind: Literal["system_exit", "keyboard_interrupt", "base", "generator_exit", "stop_iteration", "silent"]


class OddEnd(BaseException):
    """An error that `except Exception` does not catch."""


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@task("nap")
async def nap(payload: Nap) -> dict[str, float]:
    await asyncio.sleep(payload.seconds)
    while not payload.may_end:
        await asyncio.sleep(_TICK)
    return {"slept": payload.seconds}


@task("nap.plain")
def plain_nap(payload: Nap, context: Context) -> dict[str, Any]:
    time.sleep(payload.seconds)
    context.log(f"slept for {payload.seconds:g} s")
    return {"attempt": context.attempt, "key": context.idempotency_key}


@task("block")
async def block(payload: Nap) -> str:
    time.sleep(payload.seconds)
    while not payload.may_end:
        time.sleep(_TICK)
    return "blocked"


@task("print.much")
def print_much() -> int:
    """Prints 100 MB."""
    for _ in range(10_000):
        print("x" * 9_999)
    return 10_000


@task("fork")
def fork() -> int:
    """Forks the executor's process, with all that it holds."""
    child = os.fork()
    if child == 0:
        os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@task("leak")
def leak() -> None:
    """Takes memory until it gets none, as under `ulimit -v`."""
    usual = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**28, usual[1]))
    kept = []
    try:
        while True:
            kept.append(bytearray(2**24))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, usual)


@task("stubborn")
async def stubborn(payload: Nap) -> str:
    """Ignores its cancellation."""
    end = time.monotonic() + payload.seconds
    while time.monotonic() < end or not payload.may_end:
        try:
            await asyncio.sleep(_TICK)
        except asyncio.CancelledError:
            continue
    return "went on"


@task("fail")
async def fail() -> None:
    raise Fail("as ever")


@task("fail.for_good")
async def fail_for_good() -> None:
    raise Fail("no use in trying", retry=False)


@task("fail.until")
async def fail_until(payload: Until, context: Context) -> dict[str, int]:
    if context.attempt < payload.attempt:
        raise ValueError(f"attempt {context.attempt} is too early")
    return {"attempt": context.attempt}


@task("raise")
async def raise_it(payload: Raised) -> None:
    raise _error(payload.kind)


@task("raise.plain")
def plain_raise(payload: Raised) -> None:
    raise _error(payload.kind)


def _error(kind: str) -> BaseException:
    errors: dict[str, BaseException] = {
        "system_exit": SystemExit(3),
        "keyboard_interrupt": KeyboardInterrupt(),
        "base": OddEnd("odd"),
        "generator_exit": GeneratorExit(),
        "stop_iteration": StopIteration(1),
        "silent": Unspeakable(),
    }
    return errors[kind]


@task("return")
async def give_back(payload: Kind) -> Any:
    endless: list[Any] = []
    endless.append(endless)
    results: dict[str, Any] = {
        "set": {1},
        "object": object(),
        "bytes": b"raw",
        "huge": "x" * 300_000,
        "half": "\ud800",
        "nul": "a\0b",
        "loop": endless,
    }
    return results[payload.kind]
