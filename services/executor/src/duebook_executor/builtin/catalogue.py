"""The tasks that every executor has."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson

from duebook.context import Context
from duebook.tasks import Registry, Task, registered
from duebook_executor.builtin.amqp_publish import AmqpPublisher, amqp_publish_task
from duebook_executor.builtin.egress import parse_allow
from duebook_executor.builtin.email_send import Mailer, email_send_task
from duebook_executor.builtin.http_request import http_request_task
from duebook_executor.builtin.signing import WebhookSecret


async def write_log(payload: Any, context: Context) -> None:
    """Write the payload to the job log."""
    context.log(orjson.dumps(payload).decode())


def catalogue(
    http_allow: str,
    secrets: Sequence[WebhookSecret],
    publisher: AmqpPublisher,
    mailer: Mailer | None,
    http_timeout: timedelta = timedelta(hours=1),
) -> Registry:
    """The built-in tasks and the users'; raises TaskError if a user's task has a built-in's name."""
    builtin = [
        Task.of("log", write_log, inline=True),
        http_request_task(parse_allow(http_allow), secrets, longest=http_timeout),
        amqp_publish_task(publisher),
        email_send_task(mailer),
    ]
    return Registry([*builtin, *registered().values()])
