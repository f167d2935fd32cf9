"""The files of the console: what others made is pinned, the budget is kept, and the wheel carries them all."""

import re
import subprocess
import sys
import zipfile
from gzip import compress
from hashlib import sha256
from pathlib import Path

from duebook_api.console import assets
from duebook_api.console.assets import STATIC

ROOT = Path(__file__).parents[4]
TEMPLATES = STATIC.parent / "templates"
BUDGET = 60_000  # bytes of script and style, compressed


def test_each_file_of_others_is_the_pinned_one() -> None:
    rows = re.findall(r"\| `([^`]+)` \|.*`([^`]+)` \| `([0-9a-f]{64})` \|", (STATIC / "vendor/FILES.md").read_text())
    listed = {name for name, _, _ in rows} | {licence for _, licence, _ in rows} | {"FILES.md"}
    assert {path.name for path in (STATIC / "vendor").iterdir()} == listed
    for name, _, digest in rows:
        assert sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest


def test_script_and_style_keep_the_budget() -> None:
    sizes = [len(compress(path.read_bytes(), 9)) for path in STATIC.rglob("*") if path.suffix in {".js", ".css"}]
    assert sum(sizes) < BUDGET


def test_no_template_or_module_runs_text_as_code_or_names_another_server() -> None:
    for path in [*TEMPLATES.rglob("*.html"), *STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\son\w+=|style=|<style|<script>|\beval\(|\|\s*safe\b|https?://|url\(//", text), path


def test_a_file_has_another_path_when_any_file_has_changed() -> None:
    assert assets.path_of("console.css") == f"/console/static/{assets.version()}/console.css"
    assert re.fullmatch("[0-9a-f]{16}", assets.version())


def test_the_wheel_carries_every_template_and_file(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    subprocess.run(command, cwd=ROOT / "services/api", capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in [*TEMPLATES.rglob("*"), *STATIC.rglob("*")]:
        if path.is_file():
            assert f"duebook_api/{path.relative_to(STATIC.parents[1]).as_posix()}" in names
