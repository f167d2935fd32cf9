"""`duebook-scheduler`."""

import duebook_common.runtime.lean  # noqa: F401 - before anything loads structlog
from duebook_common.runtime.service import run
from duebook_common.runtime.settings import load
from duebook_scheduler.app import lifespan
from duebook_scheduler.settings import SchedulerSettings


def main() -> None:
    settings = load(SchedulerSettings)
    run("scheduler", settings, settings.port, lifespan)


if __name__ == "__main__":
    main()
