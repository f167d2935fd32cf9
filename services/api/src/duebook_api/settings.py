"""What the api reads from its environment."""

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
    def _sendable(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value() if key else "-"
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            raise ValueError("a key is a line of ASCII characters without blanks around it, else no header can bear it")
        return key

    @field_validator("auth")
    @classmethod
    def _off_at_home_only(cls, auth: str, info: ValidationInfo) -> str:
        if auth == "off" and not is_loopback(info.data.get("host", "")):
            raise ValueError("off is refused unless DUEBOOK_HOST is loopback; set a key instead")
        return auth
