"""The notifier's settings, read from the environment."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from duebook_common.runtime.bounds import Port
from duebook_common.runtime.settings import MailAddress, RabbitmqUrl, RedisUrl, Settings, SmtpUrl, split


class NotifierSettings(Settings):
    rabbitmq_url: RabbitmqUrl
    """RabbitMQ: `amqp://user:password@host:port/vhost`, or `amqps://`."""
    redis_url: RedisUrl
    """Redis or Valkey: `redis://`, `rediss://` or `unix://`."""
    smtp_url: SmtpUrl
    """The mail server: `smtp://` plain, `smtps://` TLS from the start, `smtp+starttls://` TLS after the greeting."""
    port: Port = 8003
    """The port on which the service's HTTP listens."""
    mail_from: MailAddress = "duebook@localhost"
    """The sender of every mail."""
    notify_to: Annotated[tuple[MailAddress, ...], NoDecode, BeforeValidator(split)] = ()
    """The recipients where a job names none, comma separated."""
