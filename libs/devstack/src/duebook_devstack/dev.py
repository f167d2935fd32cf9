"""`duebook dev`: all servers and services on one machine, in the foreground, until Ctrl-C."""

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
from duebook_devstack import environment_file, sample
from duebook_devstack.ports import claim, is_free
from duebook_devstack.processes import ProcessDied
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.server import ServerNotFound
from duebook_devstack.services import PORTS, Service
from duebook_devstack.stack import Stack, explicit_url
from duebook_devstack.stack_dir import AlreadyRunning
from duebook_devstack.supervisor import Supervisor

_DEFAULTS = {
    "DUEBOOK_AUTH": "off",
    "DUEBOOK_LOG_FORMAT": "console",
    "DUEBOOK_MAIL_FROM": "duebook@example.com",
    "DUEBOOK_NOTIFY_TO": "operator@example.com",
}
_EXPECTED = (AlreadyRunning, ServerNotFound, ProcessDied, TimeoutError, sample.SampleFailed, httpx2.HTTPError, OSError)

console = Console(highlight=False)


def main(port: int) -> None:
    """Serve the API at `port` until Ctrl-C or SIGTERM; exits with 1 if a process does not start or goes on crashing."""
    try:
        with _interrupted_by(signal.SIGINT, signal.SIGTERM):
            _serve(port)
    except KeyboardInterrupt:
        _report("stopped; the data is kept in .duebook")
    except _EXPECTED as error:
        _fail(str(error) or repr(error))


def _serve(port: int) -> None:
    stack = Stack(Path(".duebook"), external=os.environ, report=_report)
    services: list[Service] = []
    try:
        if not is_free(port):
            raise OSError(f"port {port} is in use; choose another one: make up PORT={port + 100}")
        _report("starting PostgreSQL, Redis, RabbitMQ and the mail catcher")
        stack.start()
        environment = _environment(stack, port)
        _migrate(environment)
        ports = _ports(stack, port)
        services += [Service(stack.stack_dir, name, ports[name], environment) for name in ports]
        _start(services)
        key = explicit_url(os.environ, "DUEBOOK_API_KEY")
        environment_file.write(stack.stack_dir.path, _access(stack, services, key))
        sample.run_if_no_jobs(services[0].url, key, console)
        Console(width=500).print(
            _table(stack, services)
        )  # wider than a terminal: it may wrap a URL, but must not truncate it
        _report("`duebook` finds all of this by .duebook/env when you run it in this directory")
        _report(f"ready: {services[0].url}/console; Ctrl-C drains and stops everything")
        _watch(stack, services)
    except _EXPECTED as error:
        _fail(str(error) or repr(error))  # first the reason, then what follows from it
    finally:
        _stop(stack, services)


def _ports(stack: Stack, api: int) -> dict[str, int]:
    """The ports of the services: `api` is given, the others are the default ports or, if in use, private ones."""
    others = {name: default for name, default in PORTS.items() if name != "api"}
    free = {name: default for name, default in others.items() if default != api and claim(default)}
    return {"api": api} | {name: free.get(name) or stack.stack_dir.port(name) for name in others}


def _environment(stack: Stack, port: int) -> dict[str, str]:
    """A service's environment: ours, with the URLs of this stack and defaults for development."""
    inherited = {
        name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in stack.environment
    }
    path = os.pathsep.join(filter(None, [str(Path.cwd()), inherited.get("PYTHONPATH")]))  # for DUEBOOK_TASKS
    public_url = {"DUEBOOK_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    return {**_DEFAULTS, **public_url, **inherited, **stack.environment, "PYTHONPATH": path}


def _access(stack: Stack, services: Sequence[Service], key: str | None) -> dict[str, str]:
    """The variables by which `duebook` reaches the api, the database and the health of each service."""
    health = {f"DUEBOOK_{service.name.upper()}_URL": service.url for service in services[1:]}
    return {"DUEBOOK_URL": services[0].url, "DUEBOOK_API_KEY": key or "", **stack.environment, **health}


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
    supervisor = Supervisor([*services, *stack.servers], _report)
    while True:
        supervisor.step()
        time.sleep(0.5)


def _stop(stack: Stack, services: Sequence[Service]) -> None:
    """Drain the services in parallel, then stop the servers."""
    _report("draining and stopping")
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
    table = Table("component", "URL", "source", box=box.SIMPLE_HEAD)
    for column in table.columns:
        column.no_wrap = True  # so that a URL can be copied
    table.add_row("console", f"{services[0].url}/console", "of the api")
    for name, server in zip(names.values(), stack.servers, strict=True):
        table.add_row(name, server.url, server.origin)
        if isinstance(server, RabbitMQ):
            table.add_row(f"{name} management", server.management_url, "same user and password")
    for service in services:
        table.add_row(service.name, service.url, f"log: {service.log.relative_to(Path.cwd())}")
    return table


@contextmanager
def _interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    def interrupt(_number: int, _frame: object) -> NoReturn:
        for number in numbers:  # a second Ctrl-C must not interrupt the shutdown that follows
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(line: str) -> None:
    console.print(f"duebook: {line}", soft_wrap=True, markup=False)


def _fail(reason: str) -> NoReturn:
    print(f"duebook: {reason}", file=sys.stderr)
    raise SystemExit(1)
