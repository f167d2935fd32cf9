"""Whatever is wrong in a user's module, the error is one line with the file and the line."""

import subprocess
import sys
from pathlib import Path

import pytest

_A = "@r\ndef a() -> I[int]:\n    yield 1\n"
_B = "@r\ndef b() -> I[int]:\n    yield 1\n"
CASES = {
    "import error": ("import nowhere", "1: ModuleNotFoundError: No module named 'nowhere'"),
    "deeper": ("def f():\n    raise ValueError('no\\nuse')\nf()", "2: ValueError: no use"),
    "no Python": ("x =\n", "1: SyntaxError: invalid syntax"),
    "exit": ("raise SystemExit(3)", "1: SystemExit: 3"),
    "twice": (
        "from duebook import task\n@task('a')\ndef f(): ...\n@task('a')\ndef g(): ...",
        "4: task a is registered twice: broken.f (broken.py:2) and broken.g",
    ),
    "name": ("from duebook import task\n@task('A')\ndef f(): ...", "2: task name 'A' does not match"),
    "default": (
        "from duebook import task\n\n@task('a', timeout=-1)\ndef f(): ...",
        "3: task a: timeout must",
    ),
    "payload": (
        "from duebook import task\nclass P: ...\n@task('a')\ndef f(p: P): ...",
        "3: task a: its payload type <class 'broken.P'> has no JSON Schema",
    ),
    "parameter": (
        "from duebook import task\n@task('a')\ndef f(p: int, pool: str): ...",
        "2: task a: the parameter pool takes str, which no @resource yields",
    ),
    "two of a type": (
        f"from typing import Iterator as I\nfrom duebook import resource as r\n{_A}{_B}",
        "6: resource b: int is the type of two resources; the other is the resource a (broken.py:3)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_error_names_file_line_and_cause(tmp_path: Path, name: str) -> None:
    source, message = CASES[name]
    (tmp_path / "broken.py").write_text(source)
    program = "import sys; sys.path.insert(0, '.')\nfrom duebook.modules import load\nload(['broken'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"broken.py:{message}" in done.stderr.splitlines()[-1]


def test_a_resource_may_be_defined_after_the_tasks_that_take_it(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(
        "from connections import Pool\nfrom duebook import task\n@task('a')\nasync def f(pool: Pool): ...\n"
    )
    (tmp_path / "connections.py").write_text("class Pool: ...\n")
    (tmp_path / "wiring.py").write_text(
        "from collections.abc import AsyncIterator\nfrom connections import Pool\nfrom duebook import resource\n"
        "@resource\nasync def pool() -> AsyncIterator[Pool]:\n    yield Pool()\n"
    )
    program = (
        "import sys; sys.path.insert(0, '.')\nfrom duebook.modules import load\nfrom duebook.tasks import registered\n"
        "load(['jobs', 'wiring'])\nprint(registered()['a'].resources)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "(<class 'connections.Pool'>,)\n"
