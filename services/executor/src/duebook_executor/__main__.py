"""`duebook-executor`."""

import argparse
import socket
import sys
from pathlib import Path

from duebook_common.runtime.service import run
from duebook_common.runtime.settings import load
from duebook_common.runtime.telemetry import configure
from duebook_executor.app import prepare
from duebook_executor.processes.parent import run_parent
from duebook_executor.reload import Reloader
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
        run_parent(settings)
    run("executor", settings, settings.port, prepare(settings, socket.gethostname()))


def _reload(settings: ExecutorSettings) -> int:
    configure("executor", settings.log_format, settings.log_level)
    return Reloader([sys.executable, "-m", "duebook_executor"], Path.cwd(), settings.grace).run()


if __name__ == "__main__":
    main()
