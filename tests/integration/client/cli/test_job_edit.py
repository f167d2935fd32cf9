"""`duebook job edit`. Against a real api and database, with `sed` as the editor."""

import re
from pathlib import Path

from support.program import PROGRAM, Program


def test_what_is_saved_in_the_editor_changes_the_job(duebook: Program) -> None:
    job = duebook.job("nightly", "--queue", "mail", "--payload", '{"to": "a", "cc": "on"}', "--recurrence", "every 15m")
    lines = "s/every: PT15M/cron: 0 2 * * */; s/to: a/to: b/; /^queue:/d; s/timeout: PT5M/timeout: PT9M/"
    edited = duebook("job", "edit", "nightly", "-o", "json", EDITOR=f"sed -i '{lines}'", VISUAL="")
    assert edited.exit_code == 0, edited.stderr
    changed = duebook.data("job", "show", job["id"])
    assert (changed["recurrence"], changed["queue"]) == ({"cron": "0 2 * * *"}, "default")
    assert (changed["payload"], changed["timeout"], changed["version"]) == ({"to": "b", "cc": "on"}, "PT9M", 2)


def test_without_a_saved_text_nothing_changes(duebook: Program) -> None:
    job = duebook.job()
    left = duebook("job", "edit", job["id"], EDITOR="true", VISUAL="")
    assert left.exit_code == 0
    assert left.stderr.splitlines()[0] == "duebook: nothing was changed", "the warnings of the job follow"
    assert duebook.data("job", "show", job["id"])["version"] == 1


def test_a_text_that_is_refused_stays_in_a_file_that_can_be_sent_again(duebook: Program) -> None:
    job = duebook.job("nightly")
    refused = duebook("job", "edit", job["id"], EDITOR="sed -i 's/priority: 4/priority: 12/'", VISUAL="")
    assert (refused.exit_code, "/priority" in refused.stderr) == (1, True)
    found = re.search(r"the text is in (\S+); `duebook job update (\S+) -f \S+` sends it again", refused.stderr)
    assert found
    kept = Path(found[1])
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_text(kept.read_text(encoding="utf-8").replace("priority: 12", "priority: 2"), encoding="utf-8")
    assert duebook.data("job", "update", found[2], "-f", str(kept))["priority"] == 2
    kept.unlink()


def test_a_text_that_is_no_yaml_and_an_editor_that_fails_are_named(duebook: Program) -> None:
    job = duebook.job("nightly")
    broken = duebook("job", "edit", job["id"], EDITOR="sed -i 's/priority: 4/priority: [/'", VISUAL="")
    assert (broken.exit_code, "is not YAML" in broken.stderr) == (1, True)
    for kept in re.findall(r"the text is in (\S+);", broken.stderr):
        Path(kept).unlink()
    failed = duebook("job", "edit", job["id"], EDITOR="no-such-editor", VISUAL="")
    assert (failed.exit_code, "set EDITOR to" in failed.stderr) == (1, True)


def test_a_job_that_was_changed_meanwhile_is_not_overwritten(duebook: Program, tmp_path: Path) -> None:
    job = duebook.job("nightly")
    environment = " ".join(
        f"{name}={value}" for name, value in duebook.environment.items() if name.startswith("DUEBOOK")
    )
    editor = tmp_path / "editor"
    editor.write_text(
        f"#!/bin/sh\n{environment} {PROGRAM} job update {job['id']} --priority 1 >&2\n"
        "sed -i 's/name: nightly/name: mine/' $1\n",
        encoding="utf-8",
    )
    editor.chmod(0o755)
    refused = duebook("job", "edit", job["id"], EDITOR=str(editor), VISUAL="")
    assert (refused.exit_code, "read it again and repeat the change" in refused.stderr) == (1, True)
    for kept in re.findall(r"the text is in (\S+);", refused.stderr):
        Path(kept).unlink()
    shown = duebook.data("job", "show", job["id"])
    assert (shown["name"], shown["priority"]) == ("nightly", 1)
