"""Bodies are strict JSON, without values that would not survive storage."""

import pytest

from duebook_api.http.problems import Problem
from duebook_api.http.requests import must_fit, parse


def refusal(body: bytes) -> tuple[int, list[str]]:
    with pytest.raises(Problem) as caught:
        parse(body)
    return caught.value.status, [fault.pointer for fault in caught.value.faults]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"NaN", b'{"a":Infinity}', b"'a'", b"\xff", b'"\xe9"', b"\xef\xbb\xbf{}", b"[" * 5_000]
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    assert refusal(body) == (400, [])


def test_a_nul_is_refused_with_its_pointer() -> None:
    assert refusal(b'{"a":[1,{"b":"x\\u0000"}]}') == (422, ["/a/1/b"])
    assert refusal(b'{"a":{"\\u0000":1}}') == (422, ["/a/\\u0000"])
    assert parse(b'{"a":"\\\\u0000"}') == {"a": "\\u0000"}  # an escaped backslash, no NUL


@pytest.mark.parametrize("body", [b'"\\ud800"', b'{"a":"x\\udc00"}', b'"\\ud800x"', b'"\\ud800\\ud800"'])
def test_half_a_surrogate_pair_is_refused(body: bytes) -> None:
    assert refusal(body) == (422, [""])


@pytest.mark.parametrize(
    "body", [b"18446744073709551616", b'{"a":-9223372036854775809}', b"9" * 300, b"9" * 6_000, b"1e999"]
)
def test_a_number_that_would_lose_digits_is_refused(body: bytes) -> None:
    assert refusal(body) == (422, [""])


def test_numbers_within_64_bits_and_long_strings_are_kept() -> None:
    assert parse(b"[18446744073709551615,-9223372036854775808]") == [2**64 - 1, -(2**63)]
    assert parse(b'["12345678901234567890123", 0.12345678901234567890]') == [
        "12345678901234567890123",
        0.12345678901234567890,
    ]


def test_nesting_ends_at_a_hundred() -> None:
    assert parse(b"[" * 100 + b"]" * 100)
    assert refusal(b"[" * 101 + b"]" * 101) == (422, [""])
    assert refusal(b'{"a":' * 200 + b"1" + b"}" * 200) == (422, [""])


def test_a_payload_over_256_kib_is_too_large() -> None:
    must_fit("x" * (256 * 1024 - 2))
    with pytest.raises(Problem) as caught:
        must_fit("x" * (256 * 1024 - 1))
    assert (caught.value.status, caught.value.faults[0].pointer) == (413, "/payload")
