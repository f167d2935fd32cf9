# ruff: noqa: RUF001 - messages write ranges with an en dash
"""Payloads of `http.request`: the model and its JSON Schema accept the same."""

from typing import Any

import pytest
from pydantic import ValidationError

from duebook.errors import Fail
from duebook_executor.builtin.http_payload import HttpRequest
from duebook_executor.builtin.http_request import http_request_task


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/",
        "file:///etc/passwd",
        "//h/",
        "h",
        "http:///x",
        "http://user@h/",
        "http://user:pw@h/",
        "http://h\\@y/",
        "http://a b/",
        "http://h/ x",
        "http://h/\r\nHost: y",
        "http://h/\n",
        "http://h:0/",
        "http://h:65536/",
        "http://h:x/",
        "http://[::1/",
        "http://[fe80::1%25lo]/",
        "http://①②⑦.0.0.1/",
        "http://-h/",
        "http://a.h-/",
        "http://h/" + "x" * 2040,
        "http://h/" + "ä" * 400,
    ],
)
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError) as error:
        HttpRequest(url=url)
    assert error.value.errors()[0]["loc"] == ("url",)


def test_a_password_in_a_url_is_refused_as_such() -> None:
    with pytest.raises(ValidationError, match="must not contain a user or password"):
        HttpRequest(url="http://user:pw@h/")


@pytest.mark.parametrize(
    "url",
    ["http://h", "HTTPS://h:8443/a?b=c@d#e", "http://[::1]:80/", "http://exämple.com/ä", "http://h?x=1", "http://a-b/"],
)
def test_a_valid_url_is_accepted(url: str) -> None:
    assert HttpRequest(url=url).url == url


RESERVED_HEADERS = """
Host HOST Content-Length transfer-encoding Connection webhook-id Webhook-Signature Idempotency-Key
Duebook-Run
"""


@pytest.mark.parametrize("name", [*RESERVED_HEADERS.split(), "a b", "a:b", "a\r\nb", "a\n", "", "ä"])
def test_invalid_and_reserved_header_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=r"is not a header name|is set by Duebook"):
        HttpRequest(url="http://h/", headers={name: "x"})


@pytest.mark.parametrize("value", ["a\r\nb", "a\n", "a\rb", "a\0b", "ä", " a", "a "])
def test_a_header_value_is_printable_ascii_on_one_line(value: str) -> None:
    with pytest.raises(ValidationError, match="printable ASCII"):
        HttpRequest(url="http://h/", headers={"X": value})


@pytest.mark.parametrize("value", ["", "a", "a b\tc", "Bearer x=="])
def test_a_valid_header_value_is_accepted(value: str) -> None:
    assert HttpRequest(url="http://h/", headers={"X-Host": value}).headers == {"X-Host": value}


@pytest.mark.parametrize(
    ("expect", "text"),
    [
        (204, "204"),
        (204.0, "204"),
        ([200, 404], "200, 404"),
        ("200-299", "200–299"),
        ("200–299", "200–299"),
        ("200,202", "200, 202"),
        (["200-204", 404], "200–204, 404"),
        (" 200 - 204 , 404 ", "200–204, 404"),
    ],
)
def test_expectations_can_be_written_in_several_ways(expect: Any, text: str) -> None:
    assert HttpRequest.model_validate({"url": "http://h/", "expect": expect}).expectation() == text


@pytest.mark.parametrize("expect", [True, None, [], "", "abc", 99, 199, 600, "299-200", 200.5, [[200]], {}, "²00"])
def test_an_invalid_expectation_is_refused(expect: Any) -> None:
    with pytest.raises(ValidationError) as error:
        HttpRequest.model_validate({"url": "http://h/", "expect": expect})
    assert error.value.errors()[0]["loc"] == ("expect",)


def test_the_default_is_post_without_a_body_expecting_2xx() -> None:
    request = HttpRequest(url="http://h/")
    assert (request.method, request.sends_body(), request.expectation()) == ("POST", False, "200–299")
    assert [status for status in (199, 200, 299, 300) if request.expects(status)] == [200, 299]
    assert HttpRequest(url="http://h/", body=None).sends_body()


@pytest.mark.parametrize("more", [{"verify": False}, {"method": "CONNECT"}, {"method": "get"}, {"headers": {"a": 1}}])
def test_unknown_fields_and_methods_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HttpRequest.model_validate({"url": "http://h/", **more})


@pytest.mark.parametrize(
    ("payload", "valid"),
    [
        ({"url": "http://h/"}, True),
        ({"url": "https://h/?a@b", "headers": {"X-A": "b"}, "body": [1], "expect": [200, "300-302"]}, True),
        ({"url": "http://u:p@h/"}, False),
        ({"url": "ftp://h/"}, False),
        ({"url": "http://h/", "headers": {"hOsT": "x"}}, False),
        ({"url": "http://h/", "headers": {"Webhook-Id": "x"}}, False),
        ({"url": "http://h/", "headers": {"X": "a\r\nb"}}, False),
        ({"url": "http://h/", "expect": 99}, False),
        ({"url": "http://h/", "expect": "all"}, False),
        ({"url": "http://h/", "more": 1}, False),
        ({}, False),
    ],
)
def test_the_json_schema_accepts_the_same_as_the_model(payload: dict[str, Any], valid: bool) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    assert jsonschema.Draft202012Validator(HttpRequest.model_json_schema()).is_valid(payload) is valid
    if valid:
        HttpRequest.model_validate(payload)
    else:
        with pytest.raises(ValidationError):
            HttpRequest.model_validate(payload)


def test_the_task_is_built_in_and_describes_its_payload() -> None:
    task = http_request_task(())
    assert (task.name, task.is_async, task.inline) == ("http.request", True, True)
    assert task.json_schema()["required"] == ["url"]
    with pytest.raises(Fail, match=r"/headers/Host/.*the header Host is set by Duebook"):
        task.validate({"url": "http://h/", "headers": {"Host": "x"}})
