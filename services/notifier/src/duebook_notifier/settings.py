"""The notifier's settings, read from the environment."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainValidator, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from duebook_common.runtime.bounds import Port
from duebook_common.runtime.mail_domains import ALL_DOMAINS, MailDomains
from duebook_common.runtime.rates import Rate, parse_rate
from duebook_common.runtime.settings import (
    BasePath,
    MailAddress,
    MailDomainsSetting,
    PublicUrl,
    RabbitmqUrl,
    RedisUrl,
    Settings,
    SmtpUrl,
    split,
)


class NotifierSettings(Settings):
    secrets = frozenset({"notify_to"})  # addresses of people

    rabbitmq_url: RabbitmqUrl
    """RabbitMQ: `amqp://user:password@host:port/vhost`, or `amqps://`.

    Of a cluster: `…@host1:port,host2:port,host3:port/vhost`, and services connect to any node that serves.
    """
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
    mail_limit: Annotated[Rate | None, PlainValidator(parse_rate)] = Rate(30, timedelta(minutes=10))
    """How many mails one recipient gets in some time, like `30/PT10M`, or `off`. One digest tells the rest."""
    mail_domains: MailDomainsSetting = ALL_DOMAINS
    """The domains that mails may go to, comma separated, like `example.com, *.example.org`; none means all."""
    public_url: PublicUrl = ""
    """Where people reach the API and the console, like `https://duebook.example.com`: mails then link to them."""
    base_path: BasePath = ""
    """As for the api; links have it behind the public URL, unless that ends with it."""
    console: Literal["on", "off"] = "on"
    """As for the api; with `off` no mail links to the console."""

    @field_validator("mail_domains")
    @classmethod
    def _allow_the_default_recipients(cls, domains: MailDomains, info: ValidationInfo) -> MailDomains:
        for recipient in info.data.get("notify_to", ()):
            domains.must_allow(recipient)
        return domains
