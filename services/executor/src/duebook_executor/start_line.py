"""The sentence by which an executor says at its start what it serves."""

from collections.abc import Sequence

from duebook_common.runtime.phrases import quantity

_MOST_NAMES = 20


def start_line(name: str, queues: Sequence[str], tasks: Sequence[str], concurrency: int) -> str:
    """Like `executor A serves queues default, reports with 2 tasks (log, reports.weekly), 100 at once`."""
    of_queues = f"{'queue' if len(queues) == 1 else 'queues'} {', '.join(queues)}"
    of_tasks = f"{quantity(len(tasks), 'task')} ({_listed(tasks)})"
    return f"executor {name} serves {of_queues} with {of_tasks}, {concurrency} at once"


def parents_start_line(name: str, processes: int, concurrency: int) -> str:
    """Like `executor A has 4 processes, A-1 to A-4, each with 100 attempts at once`."""
    names = f"{name}-1 to {name}-{processes}"
    return f"executor {name} has {processes} processes, {names}, each with {concurrency} attempts at once"


def _listed(names: Sequence[str]) -> str:
    """The names; of very many only the first."""
    shown, more = names[:_MOST_NAMES], len(names) - _MOST_NAMES
    return ", ".join([*shown, f"{more} more"] if more > 0 else shown)
