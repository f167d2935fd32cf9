"""The wheel alone, as a user's project installs it: small, typed, quick to import, and without any server's library."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

CLIENT = Path(__file__).parents[3] / "libs" / "client"
# What the package declares, and what these need in turn.
ALLOWED = {
    "annotated_types", "anyio", "certifi", "duebook", "h11", "h2", "hpack", "httpcore", "httpcore2", "httpx", "httpx2",
    "hyperframe", "idna", "pydantic", "pydantic_core", "sniffio", "truststore", "typing_extensions",
    "typing_inspection",
}  # fmt: skip
# What `pip install` brings, by the names of packages.
PACKAGES = {
    "annotated-types", "anyio", "duebook", "h11", "httpcore2", "httpx2", "idna", "pydantic", "pydantic-core",
    "truststore", "typing-extensions", "typing-inspection",
}  # fmt: skip
APPLICATION = Path(__file__).with_name("typed_application.py")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, unpacked."""
    directory = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(CLIENT)).build(directory=str(directory), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        archive.extractall(directory / "site")
    assert Path(path).stat().st_size < 300_000
    return directory / "site"


def python(program: str, wheel: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=wheel)
    return done.stdout


def needed(requirements: list[str]) -> Iterator[str]:
    """What is installed for these, extras left out, each as often as it is asked for."""
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name.replace("_", "-")
            yield from needed(distribution(requirement.name).requires or [])


def test_it_brings_few_packages_and_none_of_a_server(wheel: Path) -> None:
    [metadata] = wheel.glob("duebook-*.dist-info")
    assert {"duebook", *needed(PathDistribution(metadata).requires or [])} <= PACKAGES


def test_tasks_and_tests_import_no_servers_library(wheel: Path) -> None:
    program = (
        "import sys; before = set(sys.modules); import duebook, duebook.testing; duebook.task; duebook.Client\n"
        "import json; print(json.dumps(sorted({n.partition('.')[0] for n in set(sys.modules) - before})))"
    )
    found = set(json.loads(python(program, wheel))) - set(sys.stdlib_module_names)
    assert {name for name in found if not name.startswith("_")} - ALLOWED == set()


@pytest.mark.parametrize(
    "wanted",
    ["duebook import task, resource, Backoff, Context, Fail, RetryAfter", "duebook.client import AsyncClient, Client"],
)
def test_an_import_takes_the_standard_library_alone(wanted: str, wheel: Path) -> None:
    """Pydantic and httpx2 take a tenth of a second each. The packages of Duebook itself are the wheel's."""
    program = (
        f"import sys; before = set(sys.modules); from {wanted}\n"
        "import json; print(json.dumps(sorted({n.partition('.')[0] for n in set(sys.modules) - before})))"
    )
    found = set(json.loads(python(program, wheel))) - set(sys.stdlib_module_names)
    assert {name for name in found if not name.startswith("_")} == {"duebook"}


def test_a_client_for_asyncio_imports_all_it_needs_when_it_is_made(wheel: Path) -> None:
    program = (
        "import asyncio, sys; from duebook.client import AsyncClient, Response\n"
        "async def send(*_):\n"
        '    return Response(404, b\'{"code": "not_found"}\')\n'
        "client = AsyncClient('http://127.0.0.1:1', send=send); before = set(sys.modules)\n"
        "async def main():\n"
        "    for call in (client.jobs.get('1'), client.runs.wait('1'), client.enqueue('log')):\n"
        "        await asyncio.gather(call, return_exceptions=True)\n"
        "asyncio.run(main()); late = set(sys.modules) - before\n"
        "print({name for name in late if name.startswith(('duebook', 'pydantic', 'httpx2'))})"
    )
    assert python(program, wheel) == "set()\n"


def milliseconds(statement: str, wheel: Path) -> float:
    """Of CPU for an import by a new interpreter, the least of three."""
    program = f"import time; begin = time.process_time(); {statement}; print(time.process_time() - begin)"
    return min(float(python(program, wheel)) for _ in range(3)) * 1000


def test_an_import_takes_little_longer_than_that_of_pydantics_models(wheel: Path) -> None:
    """It takes about as long on most machines; a bound in milliseconds would depend on the machine."""
    ours = milliseconds("from duebook import AsyncClient, Client, Context, Fail, resource, task", wheel)
    assert ours < 3 * milliseconds("from pydantic import BaseModel", wheel)


def test_the_package_alone_imports_nothing(wheel: Path) -> None:
    assert python("import duebook, sys; print('pydantic' in sys.modules)", wheel) == "False\n"


def test_an_application_passes_the_strict_type_check_and_its_faults_do_not(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(APPLICATION.read_text())
    environment = {**os.environ, "MYPYPATH": ""}
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "application.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("Success: no issues found in 1 source file\n", 0)
    assert (wheel / "duebook" / "py.typed").exists()
