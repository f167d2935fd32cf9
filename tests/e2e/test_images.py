"""The images are built by Docker and run: own tasks are executed, and a conflict of packages fails the build.

Needs Docker and DUEBOOK_TEST_BASE_IMAGE, the name of a base image that is at hand (see deploy/Dockerfile).
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.deployment import DEPLOY, ROOT
from support.fleet import Platform

_BASE = os.environ.get("DUEBOOK_TEST_BASE_IMAGE")
_MODULE = """
import pyfiglet
from duebook import task

@task("banner.draw")
async def draw(payload: str) -> str:
    return pyfiglet.figlet_format(payload)
"""

Build = Callable[[str, Path, str], subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.skipif(
    not (_BASE and shutil.which("docker")), reason="needs Docker and DUEBOOK_TEST_BASE_IMAGE"
)


def docker(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def executor_image() -> Iterator[str]:
    name = f"duebook-test-{uuid4().hex}"
    arguments = ["--build-arg", f"BASE_IMAGE={_BASE}", "--build-arg", "SERVICE=executor", "-t", name]
    built = docker("build", "-q", "-f", DEPLOY / "Dockerfile", *arguments, ".")
    assert built.returncode == 0, built.stderr
    yield name
    docker("rmi", "-f", name)


def build_tasks(executor_image: str, folder: Path, requirements: str) -> subprocess.CompletedProcess[str]:
    (folder / "banner.py").write_text(_MODULE)
    (folder / "requirements.txt").write_text(requirements)
    arguments = ["--build-arg", f"EXECUTOR_IMAGE={executor_image}", "--build-arg", "TASKS=banner"]
    return docker("build", "-q", "-f", DEPLOY / "Dockerfile.tasks", *arguments, "-t", f"{executor_image}-own", folder)


def build_in_six_lines(executor_image: str, folder: Path, requirements: str) -> subprocess.CompletedProcess[str]:
    """The user changes two names: that of the image that it builds on, and that of her module."""
    text = (DEPLOY / "Dockerfile.six").read_text().replace("duebook-executor:0.1.0", executor_image)
    (folder / "Dockerfile").write_text(text.replace("invoices", "banner"))
    (folder / "banner.py").write_text(_MODULE)
    (folder / "requirements.txt").write_text(requirements)
    return docker("build", "-q", "-t", f"{executor_image}-own", folder)


@pytest.mark.parametrize("build", [build_tasks, build_in_six_lines])
def test_an_image_with_own_tasks_executes_them(
    executor_image: str, platform: Platform, tmp_path: Path, build: Build
) -> None:
    built = build(executor_image, tmp_path, "pyfiglet==1.0.4\n")
    assert built.returncode == 0, built.stderr
    environment = [f"--env={name}={value}" for name, value in platform.environment.items() if name.endswith("_URL")]
    restrictions = ["--network=host", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"]
    ports = ["--env=DUEBOOK_HOST=127.0.0.1", "--env=DUEBOOK_PORT=0"]
    started = docker("run", "-d", *restrictions, *environment, *ports, f"{executor_image}-own")
    assert started.returncode == 0, started.stderr
    try:
        platform.start("api")
        platform.start("scheduler")
        job = platform.create(task="banner.draw", payload="due")
        assert "|" in platform.await_run(job["id"], "succeeded")["result"]
    finally:
        print(docker("logs", started.stdout.strip()).stdout)
        docker("rm", "-f", started.stdout.strip())
        docker("rmi", "-f", f"{executor_image}-own")


@pytest.mark.parametrize(
    ("requirements", "says"), [("pyfiglet\npydantic==2.5.0\n", "unsatisfiable"), ("", "No module named 'pyfiglet'")]
)
def test_a_conflict_or_a_missing_package_fails_the_build(
    executor_image: str, tmp_path: Path, requirements: str, says: str
) -> None:
    built = build_tasks(executor_image, tmp_path, requirements)
    assert built.returncode != 0
    assert says in built.stdout + built.stderr
