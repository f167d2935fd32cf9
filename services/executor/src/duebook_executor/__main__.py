"""`duebook-executor`."""

import argparse
import socket
import sys
from pathlib import Path

import duebook_common.runtime.lean  # noqa: F401 - before anything loads structlog
from duebook_common.runtime.service import run
from duebook_common.runtime.settings import load
from duebook_common.runtime.telemetry import configure
from duebook_executor.settings import ExecutorSettings


def main() -> None:
    parser = argparse.ArgumentParser("duebook-executor", description="Execute the tasks of runs, until SIGTERM.")
    parser.add_argument(
        "--reload", action="store_true", help="start again when a Python file below this folder changes"
    )
    arguments, settings = parser.parse_args(), load(ExecutorSettings)
    if arguments.reload or settings.reload == "on":
        sys.exit(_reload(settings))
    if settings.processes > 1:
        _run_parent(settings)
    _run(settings)


# Each imports what only it needs: a parent and a reloader hold no client of a server in memory, and start soon.


def _run(settings: ExecutorSettings) -> None:
    from duebook_executor.app import prepare  # noqa: PLC0415

    run("executor", settings, settings.port, prepare(settings, socket.gethostname()))


def _run_parent(settings: ExecutorSettings) -> None:
    from duebook_executor.processes.parent import run_parent  # noqa: PLC0415

    run_parent(settings)


def _reload(settings: ExecutorSettings) -> int:
    from duebook_executor.reload import Reloader  # noqa: PLC0415

    configure("executor", settings.log_format, settings.log_level, contents=settings.log_contents == "on")
    return Reloader([sys.executable, "-m", "duebook_executor"], Path.cwd(), settings.grace).run()


if __name__ == "__main__":
    main()
