"""The executor's settings, read from the environment."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, PlainValidator
from pydantic_settings import NoDecode

from duebook_common.runtime.bounds import Bounds, Lease, MaxTimeout, Port
from duebook_common.runtime.mail_domains import ALL_DOMAINS
from duebook_common.runtime.settings import (
    List,
    MailAddress,
    MailDomainsSetting,
    RabbitmqUrl,
    RedisUrl,
    Settings,
    SmtpUrl,
    split,
)
from duebook_executor.builtin.egress import parse_allow
from duebook_executor.builtin.signing import WebhookSecret, parse_entry

_QUEUE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


def _queues(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _QUEUE.fullmatch(name):
            allowed = "lower-case letters, digits, '_', '.' and '-', at most 63 characters"
            raise ValueError(f"{name!r} is not a queue name; use {allowed}")
    if not names:
        raise ValueError("it names no queue; name at least one, like default")
    return tuple(dict.fromkeys(names))


def _allow(text: str) -> str:
    parse_allow(text)
    return text


def _secrets(value: object) -> object:
    """Each secret in a comma-separated text. An error names a secret by its number, never by its text."""
    if not isinstance(value, str):
        return value
    secrets: list[WebhookSecret] = []
    for text in (part.strip() for part in value.split(",") if part.strip()):
        try:
            secrets.append(parse_entry(text))
        except ValueError as error:
            raise ValueError(f"secret {len(secrets) + 1}: {error}") from None
    return tuple(secrets)


class ExecutorSettings(Settings):
    secrets = frozenset({"webhook_secrets"})

    rabbitmq_url: RabbitmqUrl
    """RabbitMQ: `amqp://user:password@host:port/vhost`, or `amqps://`.

    Of a cluster: `…@host1:port,host2:port,host3:port/vhost`, and services connect to any node that serves.
    """
    redis_url: RedisUrl
    """Redis or Valkey: `redis://`, `rediss://` or `unix://`."""
    port: Port = 8002
    """The port on which the service's HTTP listens."""
    queues: Annotated[List, BeforeValidator(split), AfterValidator(_queues)] = ("default",)
    """The queues that the executor serves, comma separated."""
    concurrency: Annotated[int, AfterValidator(Bounds(1, 10_000))] = 100
    """How many attempts the executor runs at once, in each of its processes."""
    processes: Annotated[int, AfterValidator(Bounds(1, 64))] = 1
    """How many processes the executor has. Each serves all its queues, and has memory and connections of its own."""
    max_timeout: MaxTimeout = timedelta(days=1)
    """The longest an attempt may take, whatever the timeout of its job. The same for the api."""
    http_timeout: MaxTimeout = timedelta(hours=1)
    """The longest that one request of the task `http.request` may take, whatever the timeout of its job."""
    max_abandoned: Annotated[int, AfterValidator(Bounds(1, 10_000))] = 20
    """How many tasks that were given up may still run. Beyond it the executor is unready: it has to be restarted."""
    tasks: Annotated[List, BeforeValidator(split)] = ()
    """Python modules with tasks of your own, comma separated."""
    reload: Literal["on", "off"] = "off"
    """For development: `on` starts the executor again when a Python file below its working directory has changed, as
    `duebook-executor --reload` does."""
    lease: Lease = timedelta(seconds=30)
    """How long an executor may be silent before its attempts count as lost. The same for executors and schedulers."""
    webhook_secrets: Annotated[tuple[WebhookSecret, ...], NoDecode, PlainValidator(_secrets)] = ()
    """Secrets that sign HTTP tasks, comma separated: `whsec_…` for all hosts, `billing.example.com=whsec_…` for one,
    which is then signed for by its own alone. Of several for the same host all sign, so that secrets can rotate."""
    smtp_url: SmtpUrl | None = None
    """The mail server of the task `email.send`: `smtp://`, `smtps://` or `smtp+starttls://`."""
    mail_from: MailAddress = "duebook@localhost"
    """The sender of every mail."""
    amqp_exchanges: Annotated[List, BeforeValidator(split)] = ()
    """The only exchanges that `amqp.publish` may use, comma separated; `default` is the default one. Empty: all."""
    mail_domains: MailDomainsSetting = ALL_DOMAINS
    """The domains that mails may go to, comma separated, like `example.com, *.example.org`; none means all."""
    http_allow: Annotated[str, AfterValidator(_allow)] = ""
    """Networks that HTTP tasks may reach although they are private, comma separated."""
