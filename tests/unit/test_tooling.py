"""The commands of daily work: `.ci/run`, the targets of the Makefile, the hooks of pre-commit."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest
import yaml

from support import servers

ROOT = Path(__file__).parents[2]
TARGETS = [
    "up",
    "install",
    "test",
    "check",
    "lint",
    "unit",
    "fmt",
    "docs",
    "pictures",
    "bench",
    "bench-peers",
    "bench-scale",
    "soak",
    "soak-hold",
    "images",
    "help",
]
FAKE_MAKE = """#!/bin/sh
echo "make $1"
case "$FAILING" in *"$1"*) exit 2;; esac
"""


@pytest.mark.parametrize(
    ("failing", "succeeds"), [("", True), ("check", False), ("test", False), ("check test", False)]
)
def test_ci_runs_check_then_test_and_fails_if_either_fails(failing: str, succeeds: bool, tmp_path: Path) -> None:
    (tmp_path / "make").write_text(FAKE_MAKE)
    (tmp_path / "make").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "FAILING": failing}
    done = subprocess.run([ROOT / ".ci/run"], env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert (done.returncode == 0) == succeeds
    assert (lines[0], lines[-1]) == ("make check", "make test")


def test_the_programs_of_tests_keep_bytecode_where_the_machine_forbids_it() -> None:
    show = 'shown: ; @echo "<$$PYTHONDONTWRITEBYTECODE> $$PYTHONPYCACHEPREFIX"; false'  # so that no test runs
    command = ["make", "--no-print-directory", "--eval", "unit: shown", "--eval", show, "unit"]
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPYCACHEPREFIX", "MAKEFLAGS"}
    }
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == f"<> {ROOT}/.duebook/bytecode\n", done.stderr


def test_bytecode_of_temporary_folders_does_not_outlive_the_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    temporary = tmp_path / tempfile.gettempdir().removeprefix("/")
    for folder in ("duebook-tests-x/private-y", "pytest-of-z/pytest-0", "project"):
        (temporary / folder).mkdir(parents=True)
        (temporary / folder / "module.pyc").touch()
    servers.forget_bytecode()
    assert [path.name for path in temporary.iterdir()] == ["project"]


def test_make_help_lists_every_target_in_aligned_columns() -> None:
    listed = re.findall(r"^([a-z-]+):.*## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [target for target, _ in listed] == TARGETS
    command = ["make", "--no-print-directory", "help"]  # `make unit` runs this test, so this make may be a nested one
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[1] for line in shown] == TARGETS
    assert {line.index(text) for line, (_, text) in zip(shown, listed, strict=True)} == {19}


def test_make_uses_the_python_that_is_named_or_there_and_else_one_that_works(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    command = ["make", "--no-print-directory", "--eval", "shown: ; @echo $(UV_PYTHON)", "shown"]
    environment = {name: value for name, value in os.environ.items() if name != "UV_PYTHON"}
    shown = partial(subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown(env=environment | {"UV_PYTHON": "3.13"}).stdout == "3.13\n"
    if found := shown(env=environment).stdout.strip():  # nothing: then uv looks for one
        subprocess.run([found, "-c", "import asyncio, ssl, sys; assert sys.version_info >= (3, 11)"], check=True)
    (tmp_path / ".venv").mkdir()
    assert shown(env=environment).stdout == "\n"


def test_every_hook_runs_a_tool_of_the_projects_environment() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert {hook["entry"].split()[0] for hook in hooks} == {
        ".venv/bin/ruff",
        ".venv/bin/mypy",
        ".venv/bin/lint-imports",
    }


def test_uv_trusts_what_the_machine_trusts_unless_the_user_says_otherwise() -> None:
    """As pip does: else `make up` fails behind a proxy whose authority only the machine knows."""
    show = ["--eval", "shown: ; @echo $$UV_SYSTEM_CERTS", "shown"]
    command = ["make", "--no-print-directory", "-f", str(ROOT / "Makefile"), *show]
    without = {name: value for name, value in os.environ.items() if name not in {"UV_SYSTEM_CERTS", "MAKEFLAGS"}}
    known = Path("/etc/ssl/certs/ca-certificates.crt").exists()
    for environment, shown in ((without, "1" if known else ""), (without | {"UV_SYSTEM_CERTS": "0"}, "0")):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == f"{shown}\n"


@pytest.mark.skipif(shutil.which("uv") is None, reason="`make` would install uv")
def test_make_keeps_what_a_user_has_installed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "any"\nversion = "1"\nrequires-python = ">=3.11"\n')
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "MAKEFLAGS"}}
    run = partial(subprocess.run, cwd=tmp_path, env=environment, check=True, capture_output=True)
    run(["uv", "lock", "--offline"])
    sync = ["make", "-f", str(ROOT / "Makefile"), "sync"]
    run(sync)
    [packages] = (tmp_path / ".venv/lib").glob("python3*/site-packages")
    (packages / "mine.py").write_text("")
    (packages / "mine-1.0.dist-info").mkdir()
    (packages / "mine-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (packages / "mine-1.0.dist-info/RECORD").write_text(
        "mine.py,,\nmine-1.0.dist-info/METADATA,,\nmine-1.0.dist-info/RECORD,,\n"
    )
    run(sync)
    assert (packages / "mine.py").exists()
