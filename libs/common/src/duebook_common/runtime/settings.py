"""Settings from the environment only; a wrong or missing one is refused at start with one line that names it."""

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from duebook_common.runtime.durations import Duration
from duebook_common.runtime.smtp import address, smtp_server

_PREFIX = "DUEBOOK_"
S = TypeVar("S", bound="Settings")


def _scheme(*schemes: str) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        if url.get_secret_value().split("://", 1)[0] not in schemes:
            raise ValueError(f"the URL must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return url

    return AfterValidator(check)


def _names_a_server(url: SecretStr) -> SecretStr:
    smtp_server(url.get_secret_value())
    return url


def _address(text: str) -> str:
    address(text)
    return text


def split(value: object) -> object:
    """`a, b` as a tuple of its parts."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


PostgresUrl = Annotated[SecretStr, _scheme("postgres", "postgresql")]
RabbitmqUrl = Annotated[SecretStr, _scheme("amqp", "amqps")]
RedisUrl = Annotated[SecretStr, _scheme("redis", "rediss", "unix")]
SmtpUrl = Annotated[SecretStr, _scheme("smtp", "smtps", "smtp+starttls"), AfterValidator(_names_a_server)]
MailAddress = Annotated[str, AfterValidator(_address)]
List = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """What every service reads. Durations are ISO 8601."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", hide_input_in_errors=True)

    postgres_url: PostgresUrl
    host: str = "127.0.0.1"
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    grace: Duration = timedelta(seconds=25)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's names
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,  # noqa: ARG003
        **more: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `read` found: it would otherwise find an empty variable again, and take it for a value."""
        return (init_settings,)


def load(kind: type[S], environment: Mapping[str, str] | None = None) -> S:
    """The settings of a service; ends the process with exit code 2 and one line on stderr where they are wrong."""
    try:
        return read(kind, os.environ if environment is None else environment)
    except (ValidationError, OSError) as error:
        print(_explain(error), file=sys.stderr)  # noqa: T201 - there is no logging yet
        raise SystemExit(2) from None


def read(kind: type[S], environment: Mapping[str, str]) -> S:
    """The settings as an environment names them, `…_FILE` included; raises ValidationError or OSError."""
    given = {}
    for name in kind.model_fields:
        variable = f"{_PREFIX}{name.upper()}"
        if path := environment.get(f"{variable}_FILE"):
            given[name] = _content(f"{variable}_FILE", path)
        elif (value := environment.get(variable)) is not None and value != "":
            given[name] = value
    return kind.model_validate(given)


def _content(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise OSError(f"{variable} names {path}, which cannot be read: {reason}") from error


def _explain(error: ValidationError | OSError) -> str:
    if isinstance(error, OSError):
        return f"duebook: {error}"
    first = error.errors()[0]
    variable = f"{_PREFIX}{str(first['loc'][0]).upper()}"
    if first["type"] == "missing":
        return f"duebook: {variable} is missing; set it, or {variable}_FILE to the name of a file that holds it"
    return f"duebook: {variable} is wrong: {first['msg'].removeprefix('Value error, ')}"
