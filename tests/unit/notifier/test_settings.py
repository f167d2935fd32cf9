"""The notifier's settings."""

import pytest
from pydantic import ValidationError

from duebook_common.runtime.settings import read
from duebook_notifier.settings import NotifierSettings

URLS = {
    "DUEBOOK_POSTGRES_URL": "postgresql://duebook@db/duebook",
    "DUEBOOK_RABBITMQ_URL": "amqp://mq",
    "DUEBOOK_REDIS_URL": "redis://cache",
    "DUEBOOK_SMTP_URL": "smtp://mail",
}


def test_recipients_are_separated_by_commas() -> None:
    settings = read(NotifierSettings, URLS | {"DUEBOOK_NOTIFY_TO": "a@example.com, b@example.com"})
    assert settings.notify_to == ("a@example.com", "b@example.com")
    assert (read(NotifierSettings, URLS).notify_to, settings.mail_from) == ((), "duebook@localhost")


@pytest.mark.parametrize(
    ("name", "value"),
    [("SMTP_URL", "http://mail"), ("SMTP_URL", "smtp://"), ("MAIL_FROM", "duebook"), ("NOTIFY_TO", "a@b, c")],
)
def test_wrong_values_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(NotifierSettings, URLS | {f"DUEBOOK_{name}": value})
    assert refused.value.errors()[0]["loc"][0] == name.lower()
