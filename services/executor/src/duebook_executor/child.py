"""One of several processes of an executor: `python -m duebook_executor.child NUMBER DESCRIPTOR`, started by its parent.

It is a full executor with a name of its own. Its HTTP listens where only its parent looks for it.
"""

import duebook_common.runtime.lean  # noqa: F401, I001 - before anything loads structlog

import socket
import sys
from functools import partial

import structlog

from duebook_common.runtime.service import run
from duebook_common.runtime.settings import load
from duebook_executor.app import prepare
from duebook_executor.processes.link import Link, linked
from duebook_executor.settings import ExecutorSettings


def main(number: int, descriptor: int) -> None:
    settings = load(ExecutorSettings).model_copy(update={"host": "127.0.0.1", "port": 0})
    structlog.contextvars.bind_contextvars(process=number)
    lifespan = prepare(settings, f"{socket.gethostname()}-{number}")
    run("executor", settings, settings.port, partial(linked, Link(descriptor), lifespan))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
