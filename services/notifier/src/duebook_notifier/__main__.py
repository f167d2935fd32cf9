"""`duebook-notifier`."""

import os

import duebook_common.runtime.lean  # noqa: F401 - before anything loads structlog
from duebook_common.runtime.service import run
from duebook_common.runtime.settings import load
from duebook_notifier.app import lifespan
from duebook_notifier.settings import NotifierSettings


def main() -> None:
    settings = load(NotifierSettings)
    os.nice(5)  # on a shared machine, mails about finished runs yield to runs that are due
    run("notifier", settings, settings.port, lifespan)


if __name__ == "__main__":
    main()
