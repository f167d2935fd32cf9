"""The notifier's settings, read from the environment."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from duebook_common.runtime.settings import MailAddress, RabbitmqUrl, RedisUrl, Settings, SmtpUrl, split


class NotifierSettings(Settings):
    rabbitmq_url: RabbitmqUrl
    redis_url: RedisUrl
    smtp_url: SmtpUrl
    port: int = 8003
    mail_from: MailAddress = "duebook@localhost"
    notify_to: Annotated[tuple[MailAddress, ...], NoDecode, BeforeValidator(split)] = ()
