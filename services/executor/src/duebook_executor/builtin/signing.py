"""Signatures of HTTP requests by the Standard Webhooks scheme, https://www.standardwebhooks.com, version 1.0.0."""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes


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
