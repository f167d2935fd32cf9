"""Commands on runs for tests of pure code, and runs after them."""

from datetime import datetime
from typing import Any

from duebook_common.domain.run.commands import DeferRun, FailAttempt, RedriveRun, RunCommand, StartAttempt, WakeRun
from duebook_common.domain.run.decide import decide
from duebook_common.domain.run.state import Run
from support.samples import NOW, SECOND, a_run, after

LEASE, LOOK_AGAIN_AFTER = 30 * SECOND, 20 * SECOND


def has_task(_: str) -> bool:
    return True


def do(run: Run, *commands: RunCommand) -> Run:
    for command in commands:
        run = after(run, decide(run, command))
    return run


def start(run: Run, now: datetime = NOW) -> StartAttempt:
    return StartAttempt(run.dispatch, "executor-1", LEASE, now)


def fail(run: Run, now: datetime = NOW, **more: Any) -> FailAttempt:
    return FailAttempt(run.attempt, "boom", now, **{"chance": 0.5, **more})


def wake(now: datetime = NOW, **more: Any) -> WakeRun:
    return WakeRun(now, 0.5, LOOK_AGAIN_AFTER, **more)


def running(**fields: Any) -> Run:
    run = a_run(**fields)
    return do(run, start(run))


def dead() -> Run:
    run = running(max_retries=0)
    return do(run, fail(run))


def redrive(**more: Any) -> RedriveRun:
    return RedriveRun(**{"reason": "the disk is empty again", "max_attempts": 4, "now": NOW, **more})


def defer(run: Run, chance: float = 0.5) -> DeferRun:
    return DeferRun(run.dispatch, "executor-2", NOW, chance)
