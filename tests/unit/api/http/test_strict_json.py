"""Bodies are strict JSON, bounded, and without values that would not survive storage."""

import json

import pytest

from duebook_api.http.problems import Problem
from duebook_api.http.strict_json import MOST_VALUES, parse


def refusal(body: bytes) -> tuple[int, list[str]]:
    with pytest.raises(Problem) as caught:
        parse(body)
    return caught.value.status, [fault.pointer for fault in caught.value.faults]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"NaN", b'{"a":Infinity}', b"'a'", b"\xff", b'"\xe9"', b"\xef\xbb\xbf{}", b"[" * 5_000]
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    assert refusal(body) == (400, [])


@pytest.mark.parametrize(
    "body", ['{"name":"é"}'.encode("latin-1"), '{"name":"n"}'.encode("utf-16"), b'{"a":"\xed\xa0\x80"}']
)
def test_a_body_in_another_encoding_is_refused_by_that_name(body: bytes) -> None:
    with pytest.raises(Problem, match="the body is not UTF-8"):
        parse(body)


def test_a_nul_is_refused_with_its_pointer() -> None:
    assert refusal(b'{"a":[1,{"b":"x\\u0000"}]}') == (422, ["/a/1/b"])
    assert refusal(b'{"a":{"\\u0000":1}}') == (422, ["/a/\\u0000"])
    assert parse(b'{"a":"\\\\u0000"}') == {"a": "\\u0000"}  # an escaped backslash, no NUL


@pytest.mark.parametrize("value", [b'"\\ud800"', b'"x\\udc00"', b'"\\ud800x"', b'"\\ud800\\ud800"'])
def test_half_a_surrogate_pair_is_refused_with_its_pointer(value: bytes) -> None:
    assert refusal(b'{"a":[0,{"b":' + value + b"}]}") == (422, ["/a/1/b"])
    assert refusal(b'{"a":{"x\\ud800":1}}') == (422, ["/a/x\\ud800"])
    assert parse(b'"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    "number", [b"18446744073709551616", b"-9223372036854775809", b"9" * 300, b"9" * 6_000, b"1e999", b"-1E400"]
)
def test_a_number_that_would_lose_digits_is_refused_with_its_pointer(number: bytes) -> None:
    assert refusal(b'{"max_retries":' + number + b"}") == (422, ["/max_retries"])
    assert refusal(b'{"a":[{"b":1},{"b":' + number + b"}]}") == (422, ["/a/1/b"])
    assert refusal(number) == (422, [""])


def test_numbers_within_64_bits_and_long_strings_are_kept() -> None:
    assert parse(b"[18446744073709551615,-9223372036854775808]") == [2**64 - 1, -(2**63)]
    assert parse(b'["12345678901234567890123", 0.12345678901234567890]') == [
        "12345678901234567890123",
        0.12345678901234567890,
    ]


def test_nesting_ends_at_a_hundred() -> None:
    assert parse(b"[" * 100 + b"]" * 100)
    assert parse(b'{"a":[' * 50 + b'"["' + b"]}" * 50)
    assert refusal(b"[" * 101 + b"]" * 101) == (422, [""])
    assert refusal(b'{"name":"n","payload":' + b'{"a":' * 200 + b"1" + b"}" * 201) == (422, ["/payload"])


@pytest.mark.parametrize("depth", [101, 980, 1_000, 1_023, 1_024, 1_025, 5_000, 100_000])
@pytest.mark.parametrize("inner", [b'"\\u0000"', b"9" * 19, b"9" * 25, b'"\\ud800"', b"1e400", b'{"a":1,"a":1}'])
def test_what_is_nested_too_deep_is_refused_whatever_it_holds(depth: int, inner: bytes) -> None:
    assert refusal(b"[" * depth + inner + b"]" * depth)[0] == 422
    assert refusal(b'{"a":' * depth + inner + b"}" * depth)[0] == 422


def test_brackets_and_commas_in_strings_are_no_values() -> None:
    texts = ['[{"' * 100_000, "\\" * 3, '\\"[,' * 100_000, "," * MOST_VALUES]
    for body in (json.dumps(texts), json.dumps({"a": [[[text]] for text in texts], "b": [[]] * 200})):
        assert parse(body.encode()) == json.loads(body)


@pytest.mark.parametrize("value", [b"1", b"[]", b"{}", b'{"a":1}', b'"],["'])
def test_the_number_of_values_is_bounded(value: bytes) -> None:
    assert len(parse(b"[" + b",".join([value] * (MOST_VALUES // 4)) + b"]")) == MOST_VALUES // 4
    assert refusal(b"[" + b",".join([value] * (MOST_VALUES + 1)) + b"]") == (422, [""])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"name":"a","name":"a"}', "/name"),
        (b'{"name" : 1, "a":2, "name"\n: 1}', "/name"),
        (b'{"a":[{},{"b":{"c":1,"\\u0063":2}}]}', "/a/1/b/c"),
        (b'{"a":"\\":","a":"\\":"}', "/a"),
    ],
)
def test_a_field_that_is_given_twice_is_refused(body: bytes, pointer: str) -> None:
    assert refusal(body) == (422, [pointer])


def test_colons_and_quotes_in_strings_are_no_fields() -> None:
    value = {"a": '":":', '"': {"b": '"a":1,"a":2'}, "\\": ['":', {}]}
    assert parse(json.dumps(value).encode()) == value
