"""Signatures of HTTP requests by the Standard Webhooks scheme, https://www.standardwebhooks.com, version 1.0.0."""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes


def parse_secret(text: str) -> bytes:
    """The bytes of a secret like `whsec_…`; raises ValueError, which does not tell the secret."""
    if not text.startswith(_PREFIX):
        raise ValueError(f"a secret begins with {_PREFIX}")
    try:
        secret = b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {_PREFIX} must be base64") from None
    if not _SHORTEST <= len(secret) <= _LONGEST:
        raise ValueError(f"a secret has {_SHORTEST} to {_LONGEST} bytes, and this one has {len(secret)}")
    return secret


def signed(secrets: Sequence[bytes], id_: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that sign a body with each of the secrets; none without a secret.

    `id_` is the same for each attempt and has no full stop, which parts what is signed; `timestamp` is in Unix seconds.
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
