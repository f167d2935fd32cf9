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
    [
        ("MAIL_LIMIT", "30"),
        ("PUBLIC_URL", "duebook.example.com"),
        ("PUBLIC_URL", "https://x/?a=b"),
        ("BASE_PATH", "duebook"),
        ("CONSOLE", "no"),
        ("MAIL_DOMAINS", "a@b"),
        ("SMTP_URL", "http://mail"),
        ("SMTP_URL", "smtp://"),
        ("MAIL_FROM", "duebook"),
        ("NOTIFY_TO", "a@b, c"),
    ],
)
def test_wrong_values_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(NotifierSettings, URLS | {f"DUEBOOK_{name}": value})
    assert refused.value.errors()[0]["loc"][0] == name.lower()


def test_default_recipients_must_be_allowed() -> None:
    with pytest.raises(ValidationError, match=r"mails to example\.net are not allowed"):
        read(NotifierSettings, URLS | {"DUEBOOK_NOTIFY_TO": "a@example.net", "DUEBOOK_MAIL_DOMAINS": "example.com"})


def test_a_public_url_has_no_slash_at_its_end() -> None:
    assert read(NotifierSettings, URLS | {"DUEBOOK_PUBLIC_URL": "https://x.example/duebook/"}).public_url.endswith(
        "/duebook"
    )


def test_mails_are_limited_unless_the_limit_is_off() -> None:
    assert str(read(NotifierSettings, URLS).mail_limit) == "30/PT10M"
    assert str(read(NotifierSettings, URLS | {"DUEBOOK_MAIL_LIMIT": "5/PT1H"}).mail_limit) == "5/PT1H"
    assert read(NotifierSettings, URLS | {"DUEBOOK_MAIL_LIMIT": "off"}).mail_limit is None
