"""Tests of tasks without any server: each task runs as an executor would run it."""

from duebook.testing.clock import FakeClock
from duebook.testing.enqueued import EnqueuedTask, EnqueuedTasks, record_enqueued
from duebook.testing.outcome import AttemptOutcome, RunOutcome
from duebook.testing.runner import run_task, run_task_sync

__all__ = [
    "AttemptOutcome",
    "EnqueuedTask",
    "EnqueuedTasks",
    "FakeClock",
    "RunOutcome",
    "record_enqueued",
    "run_task",
    "run_task_sync",
]
