"""Keywords of our own in the JSON Schemas of payloads, for what a pattern cannot say, or not with a reason.

The built-in tasks use them: what the API accepts can be mailed, requested or published.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import idna

from duebook_common.domain.addresses import mailable
from duebook_common.runtime.mail_message import breaks_line


class _Keyword:
    """A check of texts that is switched on by `true` in a schema; jsonschema-rs calls `validate`."""

    def __init__(self, _schema: Mapping[str, Any], value: Any, _path: Any) -> None:
        self._on = value is True

    def validate(self, instance: Any) -> None:
        if self._on and isinstance(instance, str):
            self.check(instance)

    def check(self, text: str) -> None:
        """Raises ValueError with the reason."""
        raise NotImplementedError


class MailAddress(_Keyword):
    def check(self, text: str) -> None:
        mailable(text)


class OneLine(_Keyword):
    def check(self, text: str) -> None:
        if any(map(breaks_line, text)):
            raise ValueError("this must be one line, without line breaks and control characters")


class StatusRanges(_Keyword):
    def check(self, text: str) -> None:
        for part in text.split(","):
            low, *high = re.findall("[0-9]{3}", part) or ["200"]
            if high and high[0] < low:
                raise ValueError(f"this must list ranges that ascend, such as {high[0]}-{low}")


class HttpUrl(_Keyword):
    def check(self, text: str) -> None:
        sent = sum(1 if _UNQUOTED.match(char) else 3 * len(char.encode()) for char in text)
        if len(text) <= _LONGEST_URL < sent:  # a longer text is refused by its length
            raise ValueError(f"this has more than {_LONGEST_URL} characters, where others than ASCII count as %XX")
        authority = re.split(r"[/?#]", text.partition("://")[2])[0]
        if authority.startswith("["):
            _must_be_ipv6(authority[1:].partition("]")[0])
        else:
            _must_be_host(authority.partition(":")[0])


class MaxBytes:
    """A limit of the bytes of a text, or of the names and values of an object together."""

    def __init__(self, _schema: Mapping[str, Any], value: Any, _path: Any) -> None:
        self._most = value if isinstance(value, int) else None

    def validate(self, instance: Any) -> None:
        texts = [instance] if isinstance(instance, str) else []
        if isinstance(instance, Mapping):
            texts = [f"{name}{value}" for name, value in instance.items()]
        if self._most is not None and sum(len(text.encode()) for text in texts) > self._most:
            raise ValueError(f"this has more than {self._most} bytes")


_LONGEST_URL = 2048
_LONGEST_HOST, _LONGEST_LABEL = 253, 63
_UNQUOTED = re.compile(r"[!#-;=?-_a-z~]")


def _must_be_ipv6(address: str) -> None:
    try:
        IPv6Address(address)
    except ValueError:
        raise ValueError("this must have an IPv6 address between its brackets, such as http://[2001:db8::1]/") from None


def _must_be_host(host: str) -> None:
    """What the pattern of the schema says of ASCII letters, digits, dots and lengths is not repeated here."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", host):
        _must_be_ipv4(host)
    if not host.isascii():
        host = _in_ascii(host)
    parts = host.rstrip(".").split(".")
    if max(map(len, parts)) <= _LONGEST_LABEL and len(".".join(parts)) > _LONGEST_HOST:
        raise ValueError(f"this must name a host of at most {_LONGEST_HOST} characters, such as example.com")


def _must_be_ipv4(address: str) -> None:
    try:
        IPv4Address(address)
    except ValueError:
        raise ValueError("this must have an IPv4 address such as 192.0.2.7, or a host such as example.com") from None


def _in_ascii(host: str) -> str:
    """As an executor looks it up."""
    try:
        return idna.encode(host.lower()).decode()
    except idna.IDNAError:
        raise ValueError("this must name a host that IDNA allows; write its registered form, xn--…") from None


PAYLOAD_KEYWORDS: dict[str, Any] = {
    "mailAddress": MailAddress,
    "oneLine": OneLine,
    "statusRanges": StatusRanges,
    "httpUrl": HttpUrl,
    "maxBytes": MaxBytes,
}
