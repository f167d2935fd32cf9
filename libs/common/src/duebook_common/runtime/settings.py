"""Settings are read from the environment only. A missing or invalid one ends the start with one line that names it."""

import os
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, PlainValidator, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from duebook_common.domain.addresses import mailable
from duebook_common.runtime.bounds import Bounds, Grace
from duebook_common.runtime.durations import iso
from duebook_common.runtime.mail_domains import MailDomains, mail_domains
from duebook_common.runtime.smtp import smtp_server

_PREFIX = "DUEBOOK_"
_PORT = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])?)?"
_HOST = r"(\[[^\]]*\]|[^:,\[\]\s]*)"
_PORTS = re.compile(f"{_HOST}{_PORT}(,{_HOST}{_PORT})*")
_IN_URL = r"[!#-;=?-\[\]_a-z~]*"  # ASCII without spaces, quotation marks, angle brackets and braces
_TRACE_URL = re.compile(rf"https?://[A-Za-z0-9.:\[\]-]+[/?#]{_IN_URL}\{{trace_id\}}{_IN_URL}")
S = TypeVar("S", bound="Settings")


def _scheme(*schemes: str, example: str) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text.split("://", 1)[0] not in schemes:
            wanted = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ValueError(f"the URL must begin with {wanted}, like {example}")
        hosts = _hosts(text)
        if re.search(r"\s", hosts):
            raise ValueError("the hosts must have no space between or in them")
        if not _PORTS.fullmatch(hosts):
            raise ValueError(f"the port must be a number from 1 to 65535, like {example}")
        if "," in hosts and not all(host.partition(":")[0] for host in hosts.split(",")):
            raise ValueError("one of the hosts is empty: take out the comma that is too much")
        return url

    return AfterValidator(check)


def _hosts(url: str) -> str:
    """The part of a URL that names hosts and ports; PostgreSQL and RabbitMQ may have several."""
    return re.split("[/?#]", url.split("://", 1)[1], maxsplit=1)[0].rpartition("@")[2]


def _check_smtp_url(url: SecretStr) -> SecretStr:
    smtp_server(url.get_secret_value())
    return url


def _check_address(text: str) -> str:
    mailable(text)
    return text


def _public_url(url: str) -> str:
    if url and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise ValueError("write it with its scheme and without a query, like https://duebook.example.com")
    return url.rstrip("/")


def _trace_url(url: str) -> str:
    if url and not _TRACE_URL.fullmatch(url):
        example = "https://tempo.example.com/trace/{trace_id}"
        raise ValueError(f"write it with its scheme, and with {{trace_id}} once behind the host, like {example}")
    return url


def _path_prefix(path: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/?", path) or "/." in path:
        raise ValueError("write it with a slash at its start, like /duebook")
    return path.rstrip("/")


def split(value: object) -> object:
    """The parts of a comma-separated text, as a tuple; any other value as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _mail_domains(value: object) -> object:
    names = split(value)
    return mail_domains(names) if isinstance(names, tuple) else value


PostgresUrl = Annotated[
    SecretStr, _scheme("postgres", "postgresql", example="postgresql://user:password@db.example.com/duebook")
]
RabbitmqUrl = Annotated[SecretStr, _scheme("amqp", "amqps", example="amqp://user:password@mq.example.com/")]
RedisUrl = Annotated[SecretStr, _scheme("redis", "rediss", "unix", example="redis://redis.example.com:6379/0")]
SmtpUrl = Annotated[
    SecretStr,
    _scheme("smtp", "smtps", "smtp+starttls", example="smtp+starttls://user:password@mail.example.com:587"),
    AfterValidator(_check_smtp_url),
]
MaxActiveRuns = Annotated[int, AfterValidator(Bounds(1, 100_000))]
TraceUrl = Annotated[str, AfterValidator(_trace_url)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
BasePath = Annotated[str, AfterValidator(_path_prefix)]
MailDomainsSetting = Annotated[MailDomains, NoDecode, PlainValidator(_mail_domains)]
MailAddress = Annotated[str, AfterValidator(_check_address)]
List = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The settings that every service has. Durations are written in ISO 8601."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", hide_input_in_errors=True)

    postgres_url: PostgresUrl
    """The database: `postgresql://user:password@host:port/name`.

    With a standby: `…@host1,host2/name?target_session_attrs=read-write`, and services find the one that can write.
    """
    host: str = "127.0.0.1"
    """The address on which the service's HTTP listens."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object per line, or lines for a terminal."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are written."""
    log_contents: Literal["on", "off"] = "off"
    """Whether lines quote the errors of tasks and mails, and values that were refused. No erasure reaches a log."""
    grace: Grace = timedelta(seconds=25)
    """How long a stopping service waits for running work. A container must be given longer than that."""

    secrets: ClassVar[frozenset[str]] = frozenset()

    def shown(self) -> dict[str, object]:
        """The settings that other people may see, by variable: without URLs, secrets and people's addresses."""
        names = (name for name in type(self).model_fields if not name.endswith("_url") and name not in self.secrets)
        return {f"{_PREFIX}{name.upper()}": _shown(getattr(self, name)) for name in names}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's names
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,  # noqa: ARG003
        **more: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the values that `read` passes: pydantic would read an empty variable as a value."""
        return (init_settings,)


def _shown(value: object) -> object:
    match value:
        case None:
            return "off"
        case timedelta():
            return iso(value)
        case MailDomains():
            return sorted(value.allowed)
        case tuple():
            return [_shown(each) for each in value]
        case bool() | int() | str():
            return value
        case _:  # a secret that no class has named writes itself as asterisks
            return str(value)


def load(kind: type[S], environment: Mapping[str, str] | None = None) -> S:
    """The settings of a service. If one is invalid, ends the process with exit code 2 and one line on stderr."""
    try:
        return read(kind, os.environ if environment is None else environment)
    except (ValidationError, OSError) as error:
        print(_explain(error), file=sys.stderr)  # noqa: T201 - there is no logging yet
        raise SystemExit(2) from None


def read(kind: type[S], environment: Mapping[str, str]) -> S:
    """The settings in an environment; raises ValidationError or OSError.

    `NAME_FILE` names a file that contains the value of `NAME`. An empty variable counts as not set.
    """
    values = {}
    for name in kind.model_fields:
        variable = f"{_PREFIX}{name.upper()}"
        if path := environment.get(f"{variable}_FILE"):
            values[name] = _read_file(f"{variable}_FILE", path)
        elif value := environment.get(variable):
            values[name] = value
    return kind.model_validate(values)


def _read_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise OSError(f"{variable} is invalid: {path} cannot be read: {reason}") from error


def _explain(error: ValidationError | OSError) -> str:
    if isinstance(error, OSError):
        return f"duebook: {error}"
    first = error.errors()[0]
    variable = f"{_PREFIX}{str(first['loc'][0]).upper()}"
    if first["type"] == "missing":
        return f"duebook: {variable} is missing; set it, or set {variable}_FILE to the path of a file that contains it"
    return f"duebook: {variable} is invalid: {first['msg'].removeprefix('Value error, ')}"
