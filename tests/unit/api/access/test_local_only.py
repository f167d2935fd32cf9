import pytest
from starlette.datastructures import Headers

from duebook_api.access.local_only import is_local, must_be_local
from duebook_api.http.problems import Problem


@pytest.mark.parametrize(
    "authority",
    ["localhost", "localhost:8000", "LOCALHOST:1", "localhost.", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000", "[::1]"],
)
def test_loopback_names_are_local(authority: str) -> None:
    assert is_local(authority)


@pytest.mark.parametrize(
    "authority",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "evil.example.localhost",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example/127.0.0.1",
        "10.0.0.1",
        "0.0.0.0",
        "[::]",
        "[::ffff:10.0.0.1]:80",
        "[::1].evil.example",
        "[::1",
        "::1]",
        "localhost:8000:9000",
        "localhost:x",
        "localhost,evil.example",
        " localhost x",
        "2130706433",
    ],
)
def test_every_other_name_is_foreign(authority: str) -> None:
    assert not is_local(authority)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([("host", "evil.example")], "foreign_host"),
        ([("host", "localhost"), ("host", "evil.example")], "foreign_host"),
        ([("host", "localhost"), ("host", "localhost")], "foreign_host"),
        ([("host", "localhost"), ("origin", "http://evil.example")], "foreign_origin"),
        ([("host", "localhost"), ("origin", "null")], "foreign_origin"),
        ([("host", "localhost"), ("origin", "http://localhost.evil.example")], "foreign_origin"),
        ([("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://x.example")], "foreign_origin"),
        ([("host", "localhost"), ("sec-fetch-site", "cross-site")], "foreign_origin"),
        ([("host", "localhost"), ("sec-fetch-site", "same-site")], "foreign_origin"),
    ],
)
def test_a_request_of_a_foreign_page_is_refused(headers: list[tuple[str, str]], code: str) -> None:
    with pytest.raises(Problem) as refusal:
        must_be_local(Headers(raw=[(name.encode(), value.encode()) for name, value in headers]))
    assert (refusal.value.status, refusal.value.code) == (403, code)


@pytest.mark.parametrize("origin", [None, "http://localhost:8000", "https://127.0.0.1", "http://[::1]:3000"])
def test_a_request_of_the_own_machine_passes(origin: str | None) -> None:
    must_be_local(Headers({"host": "127.0.0.1:8000"} | ({"origin": origin} if origin else {})))
