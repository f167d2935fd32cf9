"""Errors with one cause have one fingerprint: ids, numbers and addresses vary, what tells causes apart does not."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.run.fingerprint import fingerprint

numbers = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.integers(0, 10**9).map("{:,}".format),
    st.floats(0.001, 10**6).map("{:.3f}".format),
)
ids = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda uuid: uuid.hex + "0"),
    st.integers(1, 2**64).map(hex),
    st.integers(1, 10**6).map("ord_{}x".format),
    st.datetimes().map(lambda time: time.isoformat()),
)
errors = st.sampled_from(
    [
        "row {n} of {id} is locked",
        "KeyError: '{id}'",
        "ValueError: {n} is not below {n}",
        "<Order object at {id}> failed after {n} s",
        "HTTPError: HTTP 404 for http://api.example.com:8080/orders/{id}?page={n}",
        "ConnectionRefusedError: [Errno 111] Connect call failed ('10.0.0.7', 5432)",
    ]
)


@given(errors, ids, ids, numbers, numbers)
def test_ids_and_numbers_do_not_vary_a_fingerprint(error: str, id1: str, id2: str, n1: str, n2: str) -> None:
    one, other = error.format(id=id1, n=n1), error.format(id=id2, n=n2)
    assert fingerprint("t", one) == fingerprint("t", other)
    assert len(fingerprint("t", one)) == 16


def http_error(status: int, host: str, port: int, body: str = "") -> str:
    return f"expected 200–299, got {status} from {host}:{port}\n{body}".strip()  # noqa: RUF001 - as it is


targets = st.tuples(
    st.integers(300, 599),
    st.one_of(
        st.ip_addresses(v=4).map(str),
        st.ip_addresses(v=6).map("[{}]".format),
        st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?(\.[a-z]{2,5})?", fullmatch=True),
    ),
    st.integers(1, 65_535),
)


@given(targets, targets, st.text(max_size=40), st.text(max_size=40))
def test_status_host_and_port_make_the_fingerprint_of_an_http_request(
    one: tuple[int, str, int], other: tuple[int, str, int], body1: str, body2: str
) -> None:
    first = fingerprint("http.request", http_error(*one, body1))
    assert first == fingerprint("http.request", http_error(*one, body2))
    assert (first == fingerprint("http.request", http_error(*other))) == (one == other)


@given(
    st.one_of(st.just(IPv4Address("10.0.0.7")), st.just(IPv6Address("::1"))),
    st.integers(1, 65_535),
    st.integers(1, 65_535),
)
def test_refused_connections_to_other_ports_differ(address: IPv4Address | IPv6Address, one: int, other: int) -> None:
    def error(port: int) -> str:
        return f"ConnectionRefusedError: [Errno 111] Connect call failed ('{address}', {port})"

    assert (fingerprint("t", error(one)) == fingerprint("t", error(other))) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError: 1", "ValueError: 1"),
        ("Http1Error: late", "Http2Error: late"),
        ("HTTPStatusError: HTTP 404", "HTTPStatusError: HTTP 500"),
        ("HTTPStatusError: 404 Not Found", "HTTPStatusError: 500 Internal Server Error"),
        ("RuntimeError: status code 502", "RuntimeError: status code 503"),
        ("no connection to db1:5432: refused", "no connection to db2:5432: refused"),
        ("no connection to https://a.example: refused", "no connection to https://b.example: refused"),
        ("cannot reach cache.internal:6379", "cannot reach cache.internal:6380"),
        ("row 17 is locked", "row 17 is missing"),
    ],
)
def test_errors_with_other_causes_differ(one: str, other: str) -> None:
    assert fingerprint("t", one) != fingerprint("t", other)
    assert fingerprint("t", one) != fingerprint("u", one)
