"""How much work something is, as a fact that other processes on the machine do not change."""

import time
from collections.abc import Callable


def cpu_seconds(action: Callable[[], object]) -> float:
    """The CPU time that the action takes in this thread; waiting for a processor does not count."""
    begin = time.thread_time()
    action()
    return time.thread_time() - begin
