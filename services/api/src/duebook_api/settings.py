"""The settings of the api, from environment variables."""

from datetime import timedelta
from ipaddress import ip_address
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from duebook_common.runtime.durations import Duration
from duebook_common.runtime.settings import RedisUrl, Settings


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ApiSettings(Settings):
    redis_url: RedisUrl
    port: int = Field(8000, ge=0, le=65535)
    misfire: Duration = timedelta(minutes=1)
    auth: Literal["required", "off"] = "required"
    api_key: SecretStr | None = None

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
