"""What the documents name exists, their links lead somewhere, and they keep their form."""

import ast
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml
from typer.core import TyperGroup

from docs.pages.catalogue import PAGES
from duebook.cli.app import app
from support.documents import (
    DOCUMENTS,
    MARKS,
    ROOT,
    Block,
    blocks,
    defines,
    files,
    folders,
    named,
    prose,
    spans,
    task_modules,
)

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))

_LINK = re.compile(r"\]\((?!https?://|<)([^)#\s]*)(#[^)\s]+)?\)")
_NAMED_IN = re.compile(r"((?:`[\w.]+`(?:, | and )?)+) in\s+`([\w/.]+\.py)`")


@cache
def anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@every_document
def test_links_resolve(document: Path) -> None:
    for target, anchor in _LINK.findall(prose(document)):
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), target
        assert not anchor or anchor[1:] in anchors(path), f"{target}{anchor}"


@every_document
def test_files_and_folders_named_in_a_document_exist(document: Path) -> None:
    for span in spans(document):
        if re.fullmatch(r"[\w/]+\.py", span):
            assert named(span) or span in task_modules(), span
        elif re.fullmatch(r"(duebook_\w+|docs|tests|deploy|libs|services|benchmarks)(/[\w-]+)+/?", span):
            assert span.rstrip("/") in folders(), span


@every_document
def test_a_name_that_a_document_puts_in_a_file_is_there(document: Path) -> None:
    for names, path in _NAMED_IN.findall(prose(document)):
        for name in re.findall(r"`([\w.]+)`", names):
            assert any(defines(files()[each], name) for each in named(path)), f"{name} in {path}"


def commands_of(document: Path) -> Iterator[str]:
    """The `duebook …` commands in code spans and shell blocks."""
    yield from (span for span in spans(document) if span.startswith("duebook ") and "…" not in span)
    for block in blocks(document):
        if block.language == "sh":
            lines = block.text.replace("\\\n", " ").splitlines()
            yield from (f"duebook {found}" for line in lines for found in re.findall(r"bin/duebook ([^|#]+)", line))


@every_document
def test_commands_of_duebook_exist(document: Path) -> None:
    for text in commands_of(document):
        parse(shlex.split(text)[1:])


def parse(words: list[str]) -> None:
    """A bare command is a name; one with words after it must be complete. Raises KeyError or a usage error."""
    command = typer.main.get_command(app)
    while words and isinstance(command, TyperGroup) and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    if words and isinstance(command, TyperGroup):
        assert {option for param in command.params for option in param.opts} >= set(words)
    elif words:
        command.make_context(command.name, words)


@cache
def metrics() -> set[str]:
    return set(re.findall(r"`(duebook_\w+)`", PAGES["metrics.md"]()))


@cache
def settings() -> set[str]:
    """Every variable that the code or the example of an environment names."""
    texts = [*files().values(), (ROOT / ".env.example").read_text()]
    return {name for text in texts for name in re.findall(r"DUEBOOK_\w+", text)}


@every_document
def test_settings_and_metrics_named_in_a_document_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    packages = {f"duebook_{name}" for name in ("api", "common", "devstack", "executor", "notifier", "scheduler")}
    assert set(re.findall(r"\bDUEBOOK_[A-Z_]*[A-Z]\b", text)) <= settings()
    in_the_database = {"duebook_bi", "duebook_reader"}
    assert set(re.findall(r"\bduebook_[a-z_]+", text)) <= metrics() | packages | in_the_database


@every_document
def test_fences_have_a_known_language_and_mark(document: Path) -> None:
    for block in blocks(document):
        assert block.mark in MARKS.get(block.language, set()), block.where
        if block.language == "json":
            json.loads(block.text)
        if block.language == "python":
            ast.parse(block.text)
        if block.language == "yaml":
            assert isinstance(yaml.safe_load(block.text), dict), block.where


@every_document
def test_blocks_that_are_not_run_name_what_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks(document):
        if block.language == "sh" and block.mark in {"setup", "docker", "kubernetes"}:
            assert set(re.findall(r"\bmake ([a-z-]+)", block.text)) <= targets, block.where
            for path in re.findall(r"(?:-f |-k |cp )(\S+)", block.text):
                assert (ROOT / path).exists(), path
            must_be_in_compose(block)


def must_be_in_compose(block: Block) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", [])}
    assert set(re.findall(r"--scale (\w+)=", block.text)) <= set(services)
    assert set(re.findall(r"--profile (\w+)", block.text)) <= profiles


def test_the_door_and_the_idea_stay_short() -> None:
    readme, architecture = ((ROOT / name).read_text().splitlines() for name in ("README.md", "ARCHITECTURE.md"))
    assert len(readme) <= 135
    assert len(architecture) <= 130
    assert [line for line in architecture if len(line) > 100] == []


def test_the_architecture_leaves_no_folder_out() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text().partition("## Where things are")[2]
    mentioned = set(re.findall(r"\w+", text))
    packages = [path.parent for path in ROOT.glob("[ls]*/*/src/duebook*/**/__init__.py")]
    assert packages
    assert {path.name for path in packages} <= mentioned
    known = {path.name for path in packages} | {Path(path).stem for path in files()}
    assert {name for span in re.findall(r"`([\w/]+)`", text) for name in span.split("/")} <= known


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_context_decision_consequences_and_its_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.match(rf"# {path.name[:4]}\. \S", text)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert re.search(r"^Kept by: .*`[\w/]+\.(py|sql|toml)`", text, re.MULTILINE)


def test_the_index_of_decisions_is_complete() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{n:04}" for n in range(1, len(DECISIONS) + 1)]
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (ROOT / "docs/decisions/README.md").read_text())
    assert listed == [path.name for path in DECISIONS]


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^\| ([^|]+) \| ", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert len(words) > 2
    keys = [re.sub(r"\W", "", word.split("→")[0]).lower() for word in words[1:]]
    assert keys == sorted(keys)


def test_documents_are_utf_8_and_end_with_one_line_end() -> None:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert text.endswith("\n"), document
        assert not text.endswith("\n\n"), document
        assert inspect.cleandoc(text)
