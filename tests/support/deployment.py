"""What tests of the deployment share: the files, and the settings that exist."""

import re
import subprocess
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from duebook_common.runtime.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SERVICES = ["api", "scheduler", "executor", "notifier"]


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def tool(name: str, *arguments: str | Path) -> None:
    command = [Path(sys.executable).with_name(name), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def grace() -> timedelta:
    duration = Settings.model_fields["grace"].default
    assert isinstance(duration, timedelta)
    return duration


EXAMPLE = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
KNOWN = {name for name in EXAMPLE if name.startswith("DUEBOOK_")}


def settings_of(package: str) -> set[str]:
    kinds = vars(import_module(f"{package}.settings")).values()
    return {
        f"DUEBOOK_{name.upper()}"
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Settings)
        for name in kind.model_fields
    }
