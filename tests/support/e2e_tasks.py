"""Tasks for fault tests: each attempt appends a line to a file outside Duebook, so that tests can count effects.

A task whose payload names a gate waits until a file of that name exists, so that a test decides how long it runs.
"""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from duebook.context import Context
from duebook.errors import Fail
from duebook.tasks import task

_DIRECTORY = Path(os.environ["TESTS_EFFECTS"])
_TICK = 0.05


class Work(BaseModel):
    """What an attempt does; the first `failures` attempts fail, and the first `kills` kill their process."""

    seconds: float = 0
    gate: str | None = None
    failures: int = 0
    kills: int = 0


@task("effect")
async def effect(work: Work, context: Context) -> dict[str, Any]:
    _record(context)
    await asyncio.sleep(work.seconds)
    while not _is_open(work):
        await asyncio.sleep(_TICK)
    return _finish(work, context)


@task("effect.plain")
def plain_effect(work: Work, context: Context) -> dict[str, Any]:
    _record(context)
    time.sleep(work.seconds)
    while not _is_open(work):
        time.sleep(_TICK)
    return _finish(work, context)


def _record(context: Context) -> None:
    with (_DIRECTORY / "effects").open("a", encoding="ascii") as file:  # the append of a short line is atomic
        file.write(f"{context.run_id} {context.attempt} {time.time()}\n")


def _is_open(work: Work) -> bool:
    return work.gate is None or (_DIRECTORY / work.gate).exists()


def _finish(work: Work, context: Context) -> dict[str, Any]:
    if context.attempt <= work.kills:  # as the kernel does where a task has taken all memory
        os.kill(os.getpid(), signal.SIGKILL)
    if context.attempt <= work.failures:
        raise Fail("as the payload says")
    return {"attempt": context.attempt}
