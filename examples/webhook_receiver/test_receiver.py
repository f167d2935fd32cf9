import hmac
from base64 import b64encode
from hashlib import sha256

import pytest

from examples.webhook_receiver.receiver import Inbox, Refused, Verifier

KEY = b"not-a-secret-just-an-example"
SECRET = f"whsec_{b64encode(KEY).decode()}"
NOW = 1_800_000_000


def signed(body: bytes, timestamp: int = NOW, key: bytes = KEY) -> dict[str, str]:
    signature = b64encode(hmac.digest(key, f"run-1.{timestamp}.".encode() + body, sha256)).decode()
    return {"Webhook-Id": "run-1", "Webhook-Timestamp": str(timestamp), "Webhook-Signature": f"v1,{signature}"}


@pytest.fixture
def verifier() -> Verifier:
    return Verifier(SECRET, lambda: NOW)


def test_a_signed_request_has_the_id_of_its_message(verifier: Verifier) -> None:
    assert verifier.verify(signed(b"{}"), b"{}") == "run-1"


def test_the_case_of_a_headers_name_does_not_matter(verifier: Verifier) -> None:
    assert verifier.verify({name.lower(): text for name, text in signed(b"{}").items()}, b"{}") == "run-1"


def test_one_of_several_signatures_is_enough(verifier: Verifier) -> None:
    headers = signed(b"{}")
    headers["Webhook-Signature"] = f"v1,b3RoZXI= {headers['Webhook-Signature']}"
    assert verifier.verify(headers, b"{}") == "run-1"


@pytest.mark.parametrize(
    "headers",
    [{}, signed(b"other"), signed(b"{}", NOW - 301), signed(b"{}", NOW + 301), signed(b"{}", key=b"another")],
    ids=["unsigned", "another body", "too old", "too new", "another key"],
)
def test_a_request_that_is_not_signed_for_now_is_refused(verifier: Verifier, headers: dict[str, str]) -> None:
    with pytest.raises(Refused):
        verifier.verify(headers, b"{}")


def test_a_repeated_message_is_processed_once() -> None:
    inbox = Inbox()
    assert [inbox.add("run-1", bytes([1, n])) for n in range(2)] == [True, False]
