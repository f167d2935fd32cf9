"""Signatures follow the Standard Webhooks scheme, and no message shows a secret."""

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from duebook_common.runtime.settings import read
from duebook_executor.builtin.signing import WebhookSecret, parse_secret, secrets_for, signature_headers
from duebook_executor.settings import ExecutorSettings

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_URLS = {
    "DUEBOOK_POSTGRES_URL": "postgresql://h/d",
    "DUEBOOK_RABBITMQ_URL": "amqp://h/",
    "DUEBOOK_REDIS_URL": "redis://h/",
}


def test_the_example_of_the_scheme_gets_its_signature() -> None:
    secret, body = parse_secret(_SECRET), b'{"test": 2432232314}'
    assert signature_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3), st.binary())
def test_each_secret_makes_a_signature_of_its_own(secrets: list[bytes], body: bytes) -> None:
    headers = signature_headers(secrets, "id", 1, body)
    signatures = [b64decode(each.removeprefix("v1,")) for each in headers["Webhook-Signature"].split(" ")]
    assert signatures == [hmac.new(secret, b"id.1." + body, sha256).digest() for secret in secrets]


def test_without_a_secret_nothing_is_signed() -> None:
    assert signature_headers([], "id", 1, b"") == {}


def test_secrets_are_read_from_the_environment_and_not_shown() -> None:
    settings = read(ExecutorSettings, {**_URLS, "DUEBOOK_WEBHOOK_SECRETS": f"{_SECRET}, {_SECRET} ,"})
    assert settings.webhook_secrets == (WebhookSecret(None, parse_secret(_SECRET)),) * 2
    assert "MfKQ" not in repr(settings)
    assert str(parse_secret(_SECRET)) not in repr(settings)
    assert read(ExecutorSettings, _URLS).webhook_secrets == ()


def test_a_host_with_secrets_of_its_own_is_signed_for_by_these_alone() -> None:
    """Who may create jobs has anything signed for a host of his own, and could show that to another one."""
    texts = {name: "whsec_" + b64encode(name.encode() * 24).decode() for name in "abcd"}
    given = f"{texts['a']}, Billing.example.com={texts['b']}, billing.example.com={texts['c']}, 10.0.0.1={texts['d']}"
    secrets = read(ExecutorSettings, {**_URLS, "DUEBOOK_WEBHOOK_SECRETS": given}).webhook_secrets
    for host, names in (
        ("billing.example.com", "bc"),
        ("BILLING.example.com", "bc"),
        ("10.0.0.1", "d"),
        ("other.example.com", "a"),
        ("evil.billing.example.com", "a"),
        ("billing.example.com.evil.example", "a"),
    ):
        assert secrets_for(secrets, host) == [name.encode() * 24 for name in names], host
    assert secrets_for(secrets[1:], "other.example.com") == []


@pytest.mark.parametrize("host", ["", "https://a.example", "a.example:443", "a b", "a.example/", "*.example.com"])
def test_what_is_no_host_name_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="a host name"):
        read(ExecutorSettings, {**_URLS, "DUEBOOK_WEBHOOK_SECRETS": f"{host}={_SECRET}"})


@pytest.mark.parametrize(
    "wrong",
    [
        _SECRET.removeprefix("whsec_"),
        "whsec_",
        "whsec_not base64!",
        "whsec_" + b64encode(b"x" * 23).decode(),
        "whsec_" + b64encode(b"x" * 65).decode(),
        "whsec_" + b64encode(b"x" * 24).decode()[:-1],
    ],
)
def test_an_invalid_secret_is_named_by_its_number_and_not_shown(wrong: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(ExecutorSettings, {**_URLS, "DUEBOOK_WEBHOOK_SECRETS": f"{_SECRET},{wrong}"})
    (fault,) = refused.value.errors()
    assert fault["loc"] == ("webhook_secrets",)
    assert fault["msg"].startswith("Value error, secret 2: ")
    assert wrong.removeprefix("whsec_")[:8] not in fault["msg"] or len(wrong) < 10
