"""`duebook status` and `duebook top`: what is going on, on one screen."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.options import Output, connect, parse_option
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook.cli.watch import Retrying
from duebook.client import ApiError, Client, ClientError, NotDuebook
from duebook.client.environment import environment
from duebook_common.runtime.phrases import short_duration

_COUNTS = ("due", "dispatched", "waiting", "running", "retrying", "dead_lettered")
_SERVICES = ("scheduler", "executor", "notifier")  # the api is asked by itself
_RUNS = 10
_CLEAR = "\x1b[H\x1b[2J"


def status(fmt: Output = Format.TABLE) -> None:
    """Show services, queues, runs by state and dead letters on one screen. Exits with 1 if a service is not ready.

    The api's health is always shown; that of the others if DUEBOOK_SCHEDULER_URL, DUEBOOK_EXECUTOR_URL and
    DUEBOOK_NOTIFIER_URL name them, as `.duebook/env` does. `unaccounted` counts the last hour's nominal times of the
    newest recurring jobs, 20 at most, of which nothing is recorded; `duebook verify` looks at all.
    """
    with connect() as api:
        services = [_health("api", api), *_others()]
        try:
            overview = api.get("/api/overview")
            ledger = overview.pop("ledger")
        except ApiError:
            _print_health(services, fmt)
            raise
    if fmt is Format.JSON:
        output.print_json({"services": services, "overview": overview, "ledger": ledger})
    else:
        _print_health(services, fmt)
        output.print_data("\n".join(["", *_screen(overview, ledger)]))
    raise typer.Exit(0 if all(service["state"] == "ready" for service in services) else 1)


def _print_health(services: list[dict[str, Any]], fmt: Format) -> None:
    rows = [{**each, "components": _components(each["components"])} for each in services]
    if fmt is Format.TABLE:
        output.print_list(rows, ("service", "state", "components"), fmt)
    else:
        output.print_json({"services": services})


def top(
    interval: Annotated[str, typer.Option(help="The time between two polls, e.g. 2s.")] = "2s",
    count: Annotated[int | None, typer.Option(min=1, help="End after so many polls. Default: at Ctrl-C.")] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Show runs by state and queue, and those that run now, again and again until Ctrl-C."""
    seconds = parse_option("--interval", duration, interval)
    assert seconds is not None
    try:
        with connect() as api:
            _repeat(api, seconds, count, fmt)
    except KeyboardInterrupt:
        raise typer.Exit from None


def _repeat(api: Client, interval: timedelta, count: int | None, fmt: Format) -> None:
    retrying, polls = Retrying(interval), 0
    while True:
        overview, running = retrying(partial(_poll, api))
        if fmt is Format.JSON:
            output.print_json(overview | {"runs": running}, indent=None)
        else:
            lines = "\n".join([*_numbers(overview), "", *_running(running)])
            output.print_data(f"{_CLEAR}{lines}" if sys.stdout.isatty() else f"{lines}\n")
        polls += 1
        if polls == count:
            return
        time.sleep(interval.total_seconds())


def _poll(api: Client) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return api.get("/api/overview"), list(api.items("/api/run", _RUNS, status="running"))


def _others() -> Iterator[dict[str, Any]]:
    """The health of the services whose URLs are known."""
    for name in _SERVICES:
        if url := environment().get(f"DUEBOOK_{name.upper()}_URL"):
            try:
                with Client(url, timeout=3, retry_for=0) as service:
                    yield _health(name, service)
            except ClientError as error:
                yield {"service": name, "state": "no answer", "components": {"connection": str(error)}}


def _health(name: str, service: Client) -> dict[str, Any]:
    """What a service says of itself and of the components that it needs."""
    answer = service.response("GET", "/readyz")
    try:
        health = json.loads(answer.body)
        return {"service": name, "state": health["status"], "components": dict(health.get("components", {}))}
    except (ValueError, KeyError, TypeError):
        raise NotDuebook(f"HTTP {answer.status} without a state of health") from None


def _screen(overview: Mapping[str, Any], ledger: Mapping[str, Any]) -> Iterator[str]:
    yield from _numbers(overview)
    expected = f"{ledger['expected']} times of {ledger['jobs']} recurring jobs in the last hour"
    yield f"unaccounted   {ledger['unaccounted']} of {expected}"


def _components(components: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {state}" for name, state in components.items())


def _numbers(overview: Mapping[str, Any]) -> Iterator[str]:
    """The table of queues with the sum of all, and what an operator must look at."""
    queues = [*overview["queues"], {**overview, "queue": "all"}]
    yield from (output.table(queues, ("queue", *_COUNTS)), "")
    yield from map(_paused, overview["paused"])
    yield f"overdue jobs  {overview['overdue_jobs']}"
    oldest = overview["oldest_dead_letter_at"]
    yield f"dead letters  {overview['dead_lettered']}" + (f", the oldest of {oldest}" if oldest else "")
    yield _last_hour_line(overview["last_hour"], overview["throughput"])


def _paused(pause: Mapping[str, Any]) -> str:
    name = "all queues are frozen" if pause["queue"] == "*" else f"the queue {pause['queue']} is paused"
    reason = f": {output.one_line(pause['reason'])}" if pause["reason"] else ""
    return f"paused        {name} by {output.one_line(pause['paused_by'])} since {pause['since']}{reason}"


def _last_hour_line(hour: Mapping[str, Any], throughput: float) -> str:
    """What came of the last sixty minutes, how late its runs started, and how many end in a second now."""
    counts, late = hour["counts"], hour["lateness"]
    shares = [(share, late[share]) for share in ("p50", "p99") if late[share] is not None]
    words = ", ".join(f"{share} {short_duration(timedelta(seconds=seconds))}" for share, seconds in shares)
    lateness = f"; lateness {words}" if words else ""
    ends = f"{counts['succeeded']} succeeded, {counts['dead_lettered']} dead-lettered"
    return f"last hour     {ends}{lateness}; {throughput} runs/s"


def _running(runs: list[dict[str, Any]]) -> Iterator[str]:
    """The newest runs that run now."""
    if runs:
        yield output.table(runs, ("id", "job_name", "task", "queue", "attempt", "executor", "started_at"))
    else:
        yield "nothing runs now"
