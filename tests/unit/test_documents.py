"""What the documents say exists, their links lead somewhere, and pages rendered from the code are up to date."""

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

from docs.pages.catalogue import PAGES, REFERENCE
from duebook.cli.app import app
from duebook_api.schemas.bodies import JobBody
from duebook_common.domain.errors import CommandRejected
from support.documents import DOCUMENTS, MARKS, ROOT, Block, blocks, prose, spans

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
SOURCES = ("libs", "services", "tests", "benchmarks", "docs", "deploy")

_LINK = re.compile(r"\]\((?!https?://|<)([^)#\s]*)(#[^)\s]+)?\)")
_NAMED_IN = re.compile(r"((?:`[\w.]+`(?:, | and )?)+) in\s+`([\w/.]+\.py)`")


@cache
def files() -> dict[str, str]:
    """Every Python file by its path, with its text."""
    found = (path for top in SOURCES for path in (ROOT / top).rglob("*.py"))
    return {f"/{path.relative_to(ROOT)}": path.read_text(encoding="utf-8") for path in found}


def named(path: str) -> list[str]:
    """The files that a document's path may mean: it may leave out folders in front."""
    return [known for known in files() if known.endswith(f"/{path}")]


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


@cache
def folders() -> set[str]:
    """Every folder of the repository, by its path from the root and by each end of that."""
    found = {ROOT / top for top in SOURCES} | {path.parent for top in SOURCES for path in (ROOT / top).rglob("*.*")}
    parts = (path.relative_to(ROOT).parts for path in found if "__pycache__" not in path.parts)
    return {"/".join(each[n:]) for each in parts for n in range(len(each))}


@every_document
def test_files_and_folders_named_in_a_document_exist(document: Path) -> None:
    for span in spans(document):
        if re.fullmatch(r"[\w/]+\.py", span):
            assert named(span) or span in modules_of_readers(), span
        elif re.fullmatch(r"(duebook_\w+|docs|tests|deploy|libs|services|benchmarks)(/[\w-]+)+/?", span):
            assert span.rstrip("/") in folders(), span


def modules_of_readers() -> set[str]:
    return {block.module for document in DOCUMENTS for block in blocks(document) if block.module}


@every_document
def test_names_said_to_be_in_a_file_are_there(document: Path) -> None:
    for names, path in _NAMED_IN.findall(prose(document)):
        for name in re.findall(r"`([\w.]+)`", names):
            assert any(defines(files()[each], name) for each in named(path)), f"{name} in {path}"


def defines(text: str, name: str) -> bool:
    """Whether a file defines the name, in Python or in SQL."""
    defined = rf"\b(def|class|FUNCTION|CONSTRAINT) {name}\b|^ *([\w, ]+, )?{name}\b[^\n(]*="
    return re.search(defined, text, re.MULTILINE) is not None


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
    while words and isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    if words:
        command.make_context(command.name, words)


@cache
def settings() -> set[str]:
    """Every variable that the code or the example of an environment names."""
    texts = [*files().values(), (ROOT / ".env.example").read_text()]
    return {name for text in texts for name in re.findall(r"DUEBOOK_\w+", text)}


@cache
def rendered(name: str) -> str:
    return PAGES[name]()


@every_document
def test_settings_and_metrics_named_in_a_document_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    metrics = set(re.findall(r"`(duebook_\w+)`", rendered("metrics.md")))
    packages = {f"duebook_{name}" for name in ("api", "common", "devstack", "executor", "notifier", "scheduler")}
    assert set(re.findall(r"\bDUEBOOK_[A-Z_]*[A-Z]\b", text)) <= settings()
    assert set(re.findall(r"\bduebook_[a-z_]+", text)) <= metrics | packages


@every_document
def test_fences_have_a_known_language_and_mark(document: Path) -> None:
    for block in blocks(document):
        assert block.mark in MARKS.get(block.language, set()), block.where
        if block.language == "json":
            json.loads(block.text)
        if block.language == "python":
            ast.parse(block.text)


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


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_code_says(name: str) -> None:
    told = (REFERENCE / name).read_text(encoding="utf-8")
    assert told == rendered(name), "the page is out of date; run: make docs"


def test_the_fields_of_a_job_are_all_documented_with_their_defaults() -> None:
    text = (REFERENCE / "jobs-and-schedules.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", text.partition("## When")[0], re.MULTILINE)
    documented = {name: default.strip("`") for name, default in rows}
    assert documented.keys() == JobBody.model_fields.keys()
    for name, default in documented.items():
        if name not in {"name", "scheduled_at"}:
            assert JobBody.model_validate({"name": "any", name: json.loads(default)}) == JobBody(name="any"), name


def literals(value: str) -> Iterator[str]:
    """How the values of a row stand in code: `16 KiB` as `16 * 1024`, `20,000` as `20_000`."""
    for part in value.split(", "):
        number, _, unit = part.replace(",", "").partition(" ")
        digits = f"{int(number):_}".replace("_", "_?")
        yield {
            "KiB": rf"\b{digits} \* 1024\b",
            "MiB": r"\bMEBIBYTE\b|\b1024 \* 1024\b",
            "day": r"\bdays=1\b",
            "days": rf"\bdays={digits}\b",
            "second": r"\bseconds=1\b",
        }.get(unit, rf"\b{digits}\b")


def test_the_limits_are_those_of_the_code() -> None:
    text = (REFERENCE / "limits.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| ([\d, \w]+) \| `([\w/.]+)` \|$", text, re.MULTILINE)
    assert len(rows) > 20
    for value, path in rows:
        [known] = named(path)
        for literal in literals(value):
            assert re.search(literal, files()[known]), f"{value} in {path}"


def test_the_error_codes_are_all_documented() -> None:
    api = "".join(text for path, text in files().items() if "/duebook_api/" in path)
    codes = set(re.findall(r'(?:Problem\(\s*\d+,|_try_again\()\s*"(\w+)"', api)) - {"refused"}
    codes |= {kind.code for kind in CommandRejected.__subclasses__()} | {CommandRejected.code, "internal"}
    text = (REFERENCE / "http.md").read_text(encoding="utf-8").partition("## Errors")[2].partition("## ")[0]
    rows = re.findall(r"^\| \d+ \| (.*?) \|", text, re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} == codes


def test_the_door_and_the_idea_stay_short() -> None:
    readme, architecture = ((ROOT / name).read_text().splitlines() for name in ("README.md", "ARCHITECTURE.md"))
    assert len(readme) <= 125
    assert len(architecture) <= 130
    assert [line for line in architecture if len(line) > 100] == []


def test_the_architecture_leaves_no_folder_out() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text().partition("## Where things are")[2]
    told = set(re.findall(r"\w+", text))
    packages = [path.parent for path in ROOT.glob("[ls]*/*/src/duebook*/**/__init__.py")]
    assert packages
    assert {path.name for path in packages} <= told
    known = {path.name for path in packages} | {Path(path).stem for path in files()}
    assert {name for span in re.findall(r"`([\w/]+)`", text) for name in span.split("/")} <= known


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_context_decision_consequences_and_its_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.match(rf"# {path.name[:4]}\. \S", text)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert re.search(r"^Kept by: .*`[\w/]+\.(py|toml)`", text, re.MULTILINE)


def test_the_index_of_decisions_is_complete() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{n:04}" for n in range(1, len(DECISIONS) + 1)]
    told = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (ROOT / "docs/decisions/README.md").read_text())
    assert told == [path.name for path in DECISIONS]


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^\| ([^|]+) \| ", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert len(words) > 2
    keys = [re.sub(r"\W", "", word.split("→")[0]).lower() for word in words[1:]]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("page", "row"),
    [
        ("settings.md", r"^\| `(DUEBOOK_\w+)` \|.*\| *(.*?) \|$"),
        ("events.md", r"^\| `([A-Z]\w+)` \| *(.*?) \|"),
        ("http.md", r"^\| `([A-Z]+ /.*?)` \| .*? \| *(.*?) \|"),
        ("metrics.md", r"^\| `(duebook_\w+)` \| .*? \| .*? \| *(.*?) \|"),
    ],
)
def test_every_row_of_a_rendered_page_has_its_meaning(page: str, row: str) -> None:
    rows = re.findall(row, rendered(page), re.MULTILINE)
    assert rows
    assert [name for name, meaning in rows if not meaning] == []


def test_documents_are_utf_8_and_end_with_one_line_end() -> None:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert text.endswith("\n"), document
        assert not text.endswith("\n\n"), document
        assert inspect.cleandoc(text)
