"""Settings from the environment, and the one line that refuses an invalid one."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BeforeValidator, ValidationError

from duebook_common.runtime.settings import List, RabbitmqUrl, RedisUrl, Settings, SmtpUrl, load, read, split

POSTGRES = "postgresql://duebook:s3cret@db/duebook"
ENVIRONMENT = {"DUEBOOK_POSTGRES_URL": POSTGRES}


class Everything(Settings):
    rabbitmq_url: RabbitmqUrl | None = None
    redis_url: RedisUrl | None = None
    smtp_url: SmtpUrl | None = None
    port: int = 1
    names: Annotated[List, BeforeValidator(split)] = ()


def refusal_line(capsys: pytest.CaptureFixture[str], environment: dict[str, str]) -> str:
    """The one line on stderr that refuses the start."""
    with pytest.raises(SystemExit) as refused:
        load(Everything, environment)
    assert refused.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "s3cret" not in printed.err
    return printed.err


def test_only_the_database_is_required() -> None:
    settings = read(Settings, ENVIRONMENT)
    assert settings.postgres_url.get_secret_value() == POSTGRES
    assert (settings.host, settings.log_format, settings.log_level) == ("127.0.0.1", "json", "info")
    assert settings.grace == timedelta(seconds=25)


def test_durations_numbers_and_lists_are_read_from_their_text() -> None:
    values = {"DUEBOOK_GRACE": "PT1M30S", "DUEBOOK_PORT": "8123", "DUEBOOK_NAMES": " a, b,,c "}
    settings = read(Everything, ENVIRONMENT | values)
    assert (settings.grace, settings.port, settings.names) == (timedelta(seconds=90), 8123, ("a", "b", "c"))


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read(Everything, ENVIRONMENT | {"DUEBOOK_PORT": "", "DUEBOOK_PORT_FILE": ""}).port == 1


def test_an_empty_variable_of_the_process_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ENVIRONMENT | {"DUEBOOK_PORT": "", "DUEBOOK_LOG_LEVEL": ""}).items():
        monkeypatch.setenv(name, value)
    assert load(Everything).port == 1


def test_nothing_but_the_given_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUEBOOK_PORT", "9999")
    assert read(Everything, ENVIRONMENT | {"PORT": "7"}).port == 1
    monkeypatch.setenv("DUEBOOK_POSTGRES_URL", POSTGRES)
    assert load(Everything).port == 9999


def test_a_secret_is_read_from_the_file_in_its_file_variable(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text(f"{POSTGRES}\n")
    settings = read(Settings, {"DUEBOOK_POSTGRES_URL_FILE": str(secret)})
    assert settings.postgres_url.get_secret_value() == POSTGRES
    assert "s3cret" not in repr(settings)


def test_a_missing_value_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "DUEBOOK_POSTGRES_URL is missing" in refusal_line(capsys, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DUEBOOK_POSTGRES_URL", "mysql://duebook:s3cret@db"),
        ("DUEBOOK_RABBITMQ_URL", "http://x:s3cret@y"),
        ("DUEBOOK_RABBITMQ_URL", "amqp://x:s3cret@mq1:5672, mq2:5672/"),
        ("DUEBOOK_RABBITMQ_URL", "amqp://x:s3cret@mq1,mq2,/"),
        ("DUEBOOK_RABBITMQ_URL", "amqp://x:s3cret@mq1,,mq2:5672/"),
        ("DUEBOOK_REDIS_URL", "localhost"),
        ("DUEBOOK_SMTP_URL", "imap://x"),
        ("DUEBOOK_LOG_FORMAT", "xml"),
        ("DUEBOOK_LOG_LEVEL", "INFO!"),
        ("DUEBOOK_GRACE", "25"),
        ("DUEBOOK_GRACE", "P1M"),
        ("DUEBOOK_PORT", "many"),
    ],
)
def test_an_invalid_value_is_named(name: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{name} is invalid: " in refusal_line(capsys, ENVIRONMENT | {name: value})


def test_an_invalid_secret_is_not_shown() -> None:
    with pytest.raises(ValidationError) as refused:
        read(Settings, {"DUEBOOK_POSTGRES_URL": "mysql://duebook:s3cret@db"})
    assert "s3cret" not in str(refused.value)


def test_an_unreadable_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing"
    line = refusal_line(capsys, {"DUEBOOK_POSTGRES_URL_FILE": str(missing)})
    assert f"DUEBOOK_POSTGRES_URL_FILE is invalid: {missing} cannot be read: No such file" in line


def test_a_file_without_utf8_text_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "url"
    secret.write_bytes(b"\xff\xfe\0")
    assert "DUEBOOK_POSTGRES_URL_FILE" in refusal_line(capsys, {"DUEBOOK_POSTGRES_URL_FILE": str(secret)})


@pytest.mark.parametrize(
    "url",
    ["smtp://localhost:25", "smtps://mail", "smtp+starttls://user:s3cret@mail:587"],
)
def test_each_scheme_of_smtp_is_accepted(url: str) -> None:
    settings = read(Everything, ENVIRONMENT | {"DUEBOOK_SMTP_URL": url})
    assert settings.smtp_url is not None
    assert settings.smtp_url.get_secret_value() == url


def test_settings_are_shown_without_urls_and_secrets() -> None:
    class Secretive(Everything):
        secrets = frozenset({"names"})

    environment = ENVIRONMENT | {"DUEBOOK_SMTP_URL": "smtp://user:s3cret@mail", "DUEBOOK_NAMES": "s3cret"}
    shown = read(Secretive, environment).shown()
    assert shown["DUEBOOK_GRACE"] == "PT25S"
    assert shown["DUEBOOK_PORT"] == 1
    assert "s3cret" not in str(shown)
    assert not [name for name in shown if name.endswith("_URL") or name == "DUEBOOK_NAMES"]
    assert read(Everything, environment).shown()["DUEBOOK_NAMES"] == ["s3cret"]
