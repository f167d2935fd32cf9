"""What the notifier reads from the environment."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr

from duebook_common.settings import List, RabbitmqUrl, RedisUrl, Settings, SmtpUrl, split
from duebook_notifier.content import address
from duebook_notifier.smtp import server


def _address(text: str) -> str:
    address(text)
    return text


def _addresses(recipients: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_address, recipients))


def _reachable(url: SecretStr) -> SecretStr:
    server(url.get_secret_value())
    return url


class NotifierSettings(Settings):
    rabbitmq_url: RabbitmqUrl
    redis_url: RedisUrl
    smtp_url: Annotated[SmtpUrl, AfterValidator(_reachable)]
    port: int = 8003
    mail_from: Annotated[str, AfterValidator(_address)] = "duebook@localhost"
    notify_to: Annotated[List, BeforeValidator(split), AfterValidator(_addresses)] = ()
