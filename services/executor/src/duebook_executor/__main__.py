"""`duebook-executor`."""

import argparse
import sys
from functools import partial
from pathlib import Path

from duebook_common.runtime.service import run
from duebook_common.runtime.settings import load
from duebook_common.runtime.telemetry import configure
from duebook_executor.app import lifespan, load_tasks
from duebook_executor.builtin.amqp_publish import AmqpPublisher
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
    _execute(settings)


def _reload(settings: ExecutorSettings) -> int:
    configure("executor", settings.log_format, settings.log_level)
    return Reloader([sys.executable, "-m", "duebook_executor"], Path.cwd(), settings.grace).run()


def _execute(settings: ExecutorSettings) -> None:
    publisher = AmqpPublisher(settings.rabbitmq_url.get_secret_value(), settings.amqp_exchanges)
    registry = load_tasks(settings, publisher)  # before anything else starts: a wrong task is refused like a setting
    run("executor", settings, settings.port, partial(lifespan, registry, publisher))


if __name__ == "__main__":
    main()
