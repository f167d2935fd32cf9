"""The settings of the api, from environment variables."""

from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, PlainValidator, SecretStr, ValidationInfo, field_validator

from duebook_common.runtime.bounds import Bounds, MaxTimeout, Misfire, Port
from duebook_common.runtime.mail_domains import ALL_DOMAINS
from duebook_common.runtime.rates import Rate, parse_rate
from duebook_common.runtime.settings import (
    BasePath,
    MailDomainsSetting,
    MaxActiveRuns,
    PublicUrl,
    RedisUrl,
    Settings,
    TraceUrl,
)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ApiSettings(Settings):
    secrets = frozenset({"api_key"})

    redis_url: RedisUrl
    """Redis or Valkey: `redis://`, `rediss://` or `unix://`."""
    port: Port = 8000
    """The port on which the service's HTTP listens."""
    misfire: Misfire = timedelta(minutes=1)
    """How late an occurrence may be dispatched and still count as on time. Later, the catch-up policy decides."""
    max_active_runs: MaxActiveRuns = 1_000
    """How many runs of a job may be active at once. Beyond it commands are refused, and occurrences are skipped."""
    max_timeout: MaxTimeout = timedelta(days=1)
    """The longest timeout of an attempt that a job may have. The same for executors."""
    max_queues: Annotated[int, AfterValidator(Bounds(1, 10_000))] = 200
    """How many work queues there may be. Beyond it a job that names a new queue is refused."""
    mail_domains: MailDomainsSetting = ALL_DOMAINS
    """The domains that mails may go to, comma separated, like `example.com, *.example.org`; none means all."""
    auth: Literal["required", "off"] = "required"
    """`off` lets every request in; it is refused unless the host is loopback."""
    api_key: SecretStr | None = None
    """A first key with every scope. Make further ones with `duebook key create`, then drop it."""

    rate_limit: Annotated[Rate | None, PlainValidator(parse_rate)] = Rate(30_000, timedelta(seconds=10))
    """How many requests each key may send in a time, over all copies of the api, or `off`. Ten jobs of a batch count as
    one request. Unused room adds up to a burst of that many. With `DUEBOOK_AUTH=off` each address counts as a key."""
    max_streams: Annotated[int, AfterValidator(Bounds(1, 500))] = 50
    """How many streams of events each key may have open at one copy of the api."""

    console: Literal["on", "off"] = "on"
    """`off` removes the console, so that `/console` answers 404."""
    public_url: PublicUrl = ""
    """Where people reach the API and the console: over `https`, browsers send the console's cookie no other way."""
    trace_url: TraceUrl = ""
    """Where a run's trace is shown, like `https://tempo.example.com/trace/{trace_id}`; the run's page links to it."""
    base_path: BasePath = ""
    """What a reverse proxy puts before every path, like `/duebook`. It may keep the prefix or take it away."""

    @field_validator("api_key")
    @classmethod
    def _fits_into_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value() if key else "-"
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            raise ValueError("a key must fit into a header: printable ASCII characters, without spaces around them")
        return key

    @field_validator("auth")
    @classmethod
    def _off_on_loopback_only(cls, auth: str, info: ValidationInfo) -> str:
        if auth == "off" and not is_loopback(info.data.get("host", "")):
            raise ValueError("off needs a loopback address as DUEBOOK_HOST; set DUEBOOK_API_KEY instead")
        return auth
