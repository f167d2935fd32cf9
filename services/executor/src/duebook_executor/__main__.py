"""`duebook-executor`."""

from functools import partial

from duebook_common.runtime.service import run
from duebook_common.runtime.settings import load
from duebook_executor.app import lifespan, load_tasks
from duebook_executor.builtin.amqp_publish import AmqpPublisher
from duebook_executor.settings import ExecutorSettings


def main() -> None:
    settings = load(ExecutorSettings)
    publisher = AmqpPublisher(settings.rabbitmq_url.get_secret_value(), settings.amqp_exchanges)
    registry = load_tasks(settings, publisher)  # before anything else starts: a wrong task is refused like a setting
    run("executor", settings, settings.port, partial(lifespan, registry, publisher))


if __name__ == "__main__":
    main()
