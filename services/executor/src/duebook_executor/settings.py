"""The executor's settings, read from the environment."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretBytes
from pydantic_settings import NoDecode

from duebook_common.runtime.durations import Duration
from duebook_common.runtime.settings import List, MailAddress, RabbitmqUrl, RedisUrl, Settings, SmtpUrl, split
from duebook_executor.builtin.egress import parse_allow
from duebook_executor.builtin.signing import parse_secret

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
    """The bytes of each secret in a comma-separated text. An error names a secret by its number, never by its text."""
    if not isinstance(value, str):
        return value
    secrets: list[bytes] = []
    for text in (part.strip() for part in value.split(",") if part.strip()):
        try:
            secrets.append(parse_secret(text))
        except ValueError as error:
            raise ValueError(f"secret {len(secrets) + 1}: {error}") from None
    return secrets


def _lease(lease: timedelta) -> timedelta:
    if lease < timedelta(seconds=1):
        raise ValueError("a lease must last at least PT1S")
    return lease


class ExecutorSettings(Settings):
    rabbitmq_url: RabbitmqUrl
    redis_url: RedisUrl
    port: int = 8002
    queues: Annotated[List, BeforeValidator(split), AfterValidator(_queues)] = ("default",)
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 100
    tasks: Annotated[List, BeforeValidator(split)] = ()
    lease: Annotated[Duration, AfterValidator(_lease)] = timedelta(seconds=30)
    webhook_secrets: Annotated[tuple[SecretBytes, ...], NoDecode, BeforeValidator(_secrets)] = ()
    smtp_url: SmtpUrl | None = None
    mail_from: MailAddress = "duebook@localhost"
    http_allow: Annotated[str, AfterValidator(_allow)] = ""
