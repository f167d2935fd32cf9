"""`duebook-executor`."""

from functools import partial

from duebook_common.runtime.service import run
from duebook_common.runtime.settings import load
from duebook_executor.app import lifespan, tasks
from duebook_executor.builtin.amqp_publish import AmqpPublisher
from duebook_executor.settings import ExecutorSettings


def main() -> None:
    settings = load(ExecutorSettings)
    exchanges = AmqpPublisher(settings.rabbitmq_url.get_secret_value())
    registry = tasks(settings, exchanges)  # refused, like any setting, before anything else begins
    run("executor", settings, settings.port, partial(lifespan, registry, exchanges))


if __name__ == "__main__":
    main()
