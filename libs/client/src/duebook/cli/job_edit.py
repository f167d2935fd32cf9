"""`duebook job edit`: a job as YAML in an editor, and its change as a merge patch."""

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duebook.cli import parsing
from duebook.cli.failures import EXPECTED, Failure
from duebook.cli.names import job_path
from duebook.cli.output import print_message
from duebook.client import Client
from duebook.client.steps import send
from duebook.client.wire import Request

_HEAD = """# The job {id}, at version {version}. What you save is sent; a field without its line gets its default.
# To change nothing, close the editor without saving.
"""


def edit(api: Client, job: str) -> dict[str, Any]:
    """The job as it is after the change that its user has made in an editor. A text that is refused stays in a file."""
    from duebook.cli import yaml_text
    from duebook.client.fields import JobChanges

    current: dict[str, Any] = api.get(job_path(api, job))
    before = {name: value for name, value in current.items() if name in JobChanges.__annotations__}
    text = _HEAD.format(**current) + yaml_text.dump(before)
    file = _write(current["id"], text)
    try:
        _open_editor(file)
        patch = merge_patch(before, _fields(file))
        changed = _change(api, current, patch) if patch else current
    except EXPECTED:
        _keep(file, text, current["id"])
        raise
    file.unlink()
    if not patch:
        print_message("nothing was changed")
    return changed


def _write(job_id: str, text: str) -> Path:
    """A file that only its user can read."""
    descriptor, path = tempfile.mkstemp(prefix=f"duebook-{job_id}-", suffix=".yaml")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(path)


def _keep(file: Path, text: str, job_id: str) -> None:
    """Name the file, unless it has the text as it was."""
    if file.read_bytes() == text.encode():
        file.unlink()
    else:
        print_message(f"the text is in {file}; `duebook job update {job_id} -f {file}` sends it again")


def _open_editor(file: Path) -> None:
    """Wait until the user closes the editor."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        subprocess.run([*shlex.split(editor), file], check=True)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        remedy = "set EDITOR to the command of an editor that waits until you close the file"
        raise Failure(f"the editor {editor!r} failed ({error}): {remedy}") from None


def _fields(file: Path) -> dict[str, Any]:
    try:
        fields = parsing.document(str(file))
    except ValueError as error:
        raise Failure(str(error)) from None
    if not isinstance(fields, dict):
        raise Failure(f"{file} must hold one object, the fields of the job")
    return fields


def _change(api: Client, current: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Change this version of the job; raises Conflict if another one was made meanwhile."""
    headers = {"If-Match": f'"{current["version"]}"'}
    path = job_path(api, current["id"])
    changed: dict[str, Any] = api.perform(
        send(Request("PATCH", path, body=patch, headers=headers), lambda value: value)
    )
    return changed


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch (RFC 7396) that turns the fields of a job into others; raises Failure if there is none."""
    patch = _members(before, after)
    if isinstance(patch.get("recurrence"), dict):
        patch["recurrence"] = after["recurrence"]  # the api replaces it: it has one member
    return patch


def _members(before: Mapping[str, Any], after: Mapping[str, Any], pointer: str = "") -> dict[str, Any]:
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old, inner = before.get(name), f"{pointer}/{name}"
        if name in before and _text(old) == _text(value):
            continue
        if value is None and pointer:
            raise Failure(f"{inner}: a change cannot make a member null; `duebook apply` can, by a file with the job")
        patch[name] = _members(old if isinstance(old, dict) else {}, value, inner) if isinstance(value, dict) else value
    return patch


def _text(value: Any) -> str:
    """1, 1.0 and true are equal in Python, but different as JSON."""
    return json.dumps(value, sort_keys=True)
