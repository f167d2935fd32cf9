"""Tasks for fault tests. What they did stands in a file that Duebook does not write: the effect ledger.

A task that names a gate goes on once a file of that name exists, so that a test decides how long it takes.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from duebook.tasks import Context, Fail, task

_HOME = Path(os.environ["TESTS_EFFECTS"])
_TICK = 0.05


class Work(BaseModel):
    """Fails in as many attempts as `failures` says."""

    seconds: float = 0
    gate: str | None = None
    failures: int = 0


@task("effect")
async def effect(work: Work, context: Context) -> dict[str, Any]:
    _note(context)
    await asyncio.sleep(work.seconds)
    while not _open(work):
        await asyncio.sleep(_TICK)
    return _end(work, context)


@task("effect.plain")
def plain_effect(work: Work, context: Context) -> dict[str, Any]:
    _note(context)
    time.sleep(work.seconds)
    while not _open(work):
        time.sleep(_TICK)
    return _end(work, context)


def _note(context: Context) -> None:
    with (_HOME / "effects").open("a", encoding="ascii") as ledger:  # a short line is appended whole
        ledger.write(f"{context.run_id} {context.attempt}\n")


def _open(work: Work) -> bool:
    return work.gate is None or (_HOME / work.gate).exists()


def _end(work: Work, context: Context) -> dict[str, Any]:
    if context.attempt <= work.failures:
        raise Fail("as it was told to")
    return {"attempt": context.attempt}
