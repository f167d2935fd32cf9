"""`duebook dev`: the whole of Duebook on one machine, in the foreground, until Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import httpx2
from pydantic import TypeAdapter, ValidationError
from rich import box
from rich.console import Console
from rich.table import Table

from duebook_common.runtime.durations import Duration
from duebook_devstack import sample
from duebook_devstack.home import AlreadyRunning
from duebook_devstack.ports import claim, is_free
from duebook_devstack.processes import ProcessDied
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.server import ServerNotFound
from duebook_devstack.services import PORTS, Service
from duebook_devstack.stack import Stack, explicit_url

_DEFAULTS = {
    "DUEBOOK_AUTH": "off",
    "DUEBOOK_LOG_FORMAT": "console",
    "DUEBOOK_MAIL_FROM": "duebook@example.com",
    "DUEBOOK_NOTIFY_TO": "operator@example.com",
}
_ORDERLY = (AlreadyRunning, ServerNotFound, ProcessDied, TimeoutError, sample.SampleFailed, httpx2.HTTPError, OSError)

console = Console(highlight=False)


def main(port: int) -> None:
    """Serve the API at `port` until Ctrl-C or SIGTERM; exits 1 where something does not start or dies."""
    try:
        with _interrupted_by(signal.SIGINT, signal.SIGTERM):
            _serve(port)
    except KeyboardInterrupt:
        _say("stopped; the data is kept in .duebook")
    except _ORDERLY as error:
        _fail(str(error) or repr(error))


def _serve(port: int) -> None:
    stack = Stack(Path(".duebook"), given=os.environ, say=_say)
    services: list[Service] = []
    try:
        if not is_free(port):
            raise OSError(f"port {port} is taken; choose another: make up PORT={port + 100}")
        _say("starting PostgreSQL, Redis, RabbitMQ and the mail catcher")
        stack.start()
        environment = _environment(stack)
        _migrate(environment)
        services += [Service(stack.home, name, each, environment) for name, each in _ports(stack, port).items()]
        _start(services)
        sample.run_where_none(services[0].url, explicit_url(os.environ, "DUEBOOK_API_KEY"), console)
        Console(width=500).print(_table(stack, services))  # a terminal may wrap a URL, but never cut it
        _say(f"ready: {services[0].url}/api/docs; Ctrl-C drains and stops everything")
        _watch(stack, services)
    finally:
        _quietly(stack, services)


def _ports(stack: Stack, api: int) -> dict[str, int]:
    """The api where it was asked for, the others at their customary ports where these are free."""
    others = {name: usual for name, usual in PORTS.items() if name != "api"}
    free = {name: usual for name, usual in others.items() if usual != api and claim(usual)}
    return {"api": api} | {name: free.get(name) or stack.home.port(name) for name in others}


def _environment(stack: Stack) -> dict[str, str]:
    """What a service is told: our own environment, with what this stack knows better."""
    inherited = {
        name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in stack.environment
    }
    path = os.pathsep.join(filter(None, [str(Path.cwd()), inherited.get("PYTHONPATH")]))  # DUEBOOK_TASKS may lie here
    return {**_DEFAULTS, **inherited, **stack.environment, "PYTHONPATH": path}


def _migrate(environment: dict[str, str]) -> None:
    program = Path(sys.executable).with_name("duebook")
    done = subprocess.run([program, "migrate"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProcessDied(f"duebook migrate failed:\n{done.stdout}{done.stderr}")


def _start(services: Sequence[Service]) -> None:
    for service in services:
        service.start()
    for service in services:
        service.await_ready()


def _watch(stack: Stack, services: Sequence[Service]) -> NoReturn:
    while True:
        for part in [*services, *stack.servers]:
            part.check()
        time.sleep(0.5)


def _quietly(stack: Stack, services: Sequence[Service]) -> None:
    """Drain the services side by side, then stop the servers."""
    _say("draining and stopping")
    for service in services:
        service.terminate()
    deadline = time.monotonic() + _grace().total_seconds() + 10
    for service in services:
        service.stop(max(1.0, deadline - time.monotonic()))
    stack.stop()


def _grace() -> timedelta:
    try:
        return TypeAdapter[timedelta](Duration).validate_python(os.environ.get("DUEBOOK_GRACE", "PT25S"))
    except ValidationError:
        return timedelta(seconds=25)


def _table(stack: Stack, services: Sequence[Service]) -> Table:
    names = {"postgres": "PostgreSQL", "redis": "Redis", "rabbitmq": "RabbitMQ", "smtp": "Mail catcher"}
    table = Table("component", "URL", "obtained", box=box.SIMPLE_HEAD)
    for column in table.columns:
        column.no_wrap = True  # a URL is there to be copied
    for name, server in zip(names.values(), stack.servers, strict=True):
        table.add_row(name, server.url, server.origin)
        if isinstance(server, RabbitMQ):
            table.add_row(f"{name}'s pages", server.management_url, "the same user and password")
    for service in services:
        table.add_row(service.name, service.url, f"log: {service.log.relative_to(Path.cwd())}")
    return table


@contextmanager
def _interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    def interrupt(_number: int, _frame: object) -> NoReturn:
        for number in numbers:  # once is enough: what follows is an orderly end, which another Ctrl-C would tear
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    console.print(f"duebook: {line}", soft_wrap=True, markup=False)


def _fail(reason: str) -> NoReturn:
    print(f"duebook: {reason}", file=sys.stderr)
    raise SystemExit(1)
