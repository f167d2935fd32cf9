"""Following a run: requests are repeated while the server is out of reach, and each event is printed once."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from duebook.cli.output import Format
from duebook.cli.watch import Retrying, watch_run
from duebook.client import ApiError, Client, Response, Unreachable

AT_ONCE = timedelta(0)


def request_of(*results: str | Exception) -> Callable[[], str]:
    """A request that ends in these results, one after the other."""
    left = iter(results)

    def request() -> str:
        result = next(left)
        if isinstance(result, Exception):
            raise result
        return result

    return request


def test_an_outage_is_reported_once_and_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    request = request_of("first", Unreachable("refused"), ApiError(503, "unavailable", "draining"), "second")
    retrying = Retrying(AT_ONCE)
    assert [retrying(request), retrying(request)] == ["first", "second"]
    assert capsys.readouterr().err == "duebook: refused; retrying\n"


def test_each_outage_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    request = request_of("first", Unreachable("one"), "second", Unreachable("two"), "third")
    retrying = Retrying(AT_ONCE)
    assert [retrying(request) for _ in range(3)] == ["first", "second", "third"]
    assert capsys.readouterr().err == "duebook: one; retrying\nduebook: two; retrying\n"


def test_a_server_that_never_answered_is_an_error() -> None:
    with pytest.raises(Unreachable):
        Retrying(AT_ONCE)(request_of(Unreachable("refused"), "never requested"))


def test_a_refused_request_is_not_repeated() -> None:
    request, retrying = request_of("first", ApiError(404, "not_found", "there is no run")), Retrying(AT_ONCE)
    retrying(request)
    with pytest.raises(ApiError):
        retrying(request)


def event(version: int) -> dict[str, Any]:
    data = {"attempt": version, "nested": {"a": 1}}
    return {"version": version, "type": "AttemptStarted", "recorded_at": "2026-11-24T01:00:00Z", "data": data}


def test_a_watch_prints_each_event_once_until_the_run_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    polls: Iterator[tuple[str, int]] = iter([("running", 1), ("running", 2), ("succeeded", 3)])
    versions = 0

    def answer(_method: str, target: str, *_: Any) -> Response:
        nonlocal versions
        if "/events" in target:
            events = [event(n + 1) for n in range(versions)]
            return Response(200, json.dumps({"items": events, "next_cursor": None}).encode())
        status, versions = next(polls)
        progress = {"share": versions // 2 * 0.4, "text": "files", "reported_at": "2026-11-24T01:00:00Z"}
        return Response(200, json.dumps({"status": status, "progress": progress if versions > 1 else None}).encode())

    with Client("http://duebook.test", retry_for=0, send=answer) as api:
        assert watch_run(api, "/api/run/1", AT_ONCE, Format.TABLE) == "succeeded"
    printed = capsys.readouterr()
    assert printed.err == "duebook: progress 40 %: files\n"
    assert printed.out.splitlines() == [
        f"2026-11-24T01:00:00Z  AttemptStarted  attempt={version}" for version in (1, 2, 3)
    ]
