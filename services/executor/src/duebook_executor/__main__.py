"""`duebook-executor`."""

from functools import partial

from duebook_common.service import run
from duebook_common.settings import load
from duebook_executor.app import body, tasks
from duebook_executor.settings import ExecutorSettings


def main() -> None:
    settings = load(ExecutorSettings)
    registry = tasks(settings)  # refused, like any setting, before anything else begins
    run("executor", settings, settings.port, partial(body, registry))


if __name__ == "__main__":
    main()
