"""Signatures of HTTP requests by the Standard Webhooks scheme, https://www.standardwebhooks.com, version 1.0.0."""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes


_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", re.ASCII)


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A secret for requests to this host, or to every host that has none of its own."""

    host: str | None
    secret: bytes = field(repr=False)


def parse_entry(text: str) -> WebhookSecret:
    """A secret like `whsec_…` or `host=whsec_…`; raises ValueError, whose message does not contain the secret."""
    if text.startswith(_PREFIX) or "=" not in text:
        return WebhookSecret(None, parse_secret(text))
    host, _, secret = text.partition("=")
    host = host.strip().lower()
    if not _HOST.fullmatch(host):
        raise ValueError("before its = stands a host name, without scheme and port, like billing.example.com")
    return WebhookSecret(host, parse_secret(secret.strip()))


def secrets_for(secrets: Sequence[WebhookSecret], host: str) -> list[bytes]:
    """The host's own secrets; those of no host, if it has none."""
    host = host.lower()
    own = [each.secret for each in secrets if each.host is not None and each.host.strip("[]") == host.strip("[]")]
    return own or [each.secret for each in secrets if each.host is None]


def parse_secret(text: str) -> bytes:
    """The bytes of a secret like `whsec_…`; raises ValueError, whose message does not contain the secret."""
    if not text.startswith(_PREFIX):
        raise ValueError(f"it must begin with {_PREFIX}")
    try:
        secret = b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"it must be base64 after {_PREFIX}") from None
    if not _SHORTEST <= len(secret) <= _LONGEST:
        raise ValueError(f"it must have {_SHORTEST} to {_LONGEST} bytes after decoding, and has {len(secret)}")
    return secret


def signature_headers(secrets: Sequence[bytes], id_: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that sign the body with each of the secrets; none without a secret.

    `id_` is the same for every attempt and contains no full stop, the separator of the signed parts; `timestamp` is in
    Unix seconds.
    """
    if not secrets:
        return {}
    content = f"{id_}.{timestamp}.".encode() + body
    signatures = (b64encode(hmac.digest(secret, content, sha256)).decode() for secret in secrets)
    return {
        "Webhook-Id": id_,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
