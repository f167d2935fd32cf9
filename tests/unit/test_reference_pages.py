"""The reference pages say what the code says: those that are rendered, and the tables that are written by hand."""

import json
import re
from collections.abc import Iterator
from functools import cache

import jsonschema
import pytest

from docs.pages import jobs_schema
from docs.pages.catalogue import PAGES, REFERENCE
from duebook_api.schemas.bodies import JobBody
from duebook_common.domain.errors import CommandRejected
from support.documents import files, named


@cache
def rendered(name: str) -> str:
    return PAGES[name]()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_code_says(name: str) -> None:
    page = (REFERENCE / name).read_text(encoding="utf-8")
    assert page == rendered(name), "the page is out of date; run: make docs"


def test_the_command_line_carries_the_schema_of_a_file_of_jobs() -> None:
    assert jobs_schema.PACKAGED.read_text(encoding="utf-8") == rendered("jobs.schema.json")


def test_the_schema_of_a_file_of_jobs_knows_every_field() -> None:
    schema = json.loads(rendered("jobs.schema.json"))
    assert schema["$defs"]["Job"]["properties"].keys() == JobBody.model_fields.keys()
    valid = {
        "set": "a",
        "jobs": [{"key": "b", "name": "c", "recurrence": {"cron": "0 2 * * *"}, "dst": {"gap": "skip"}}],
    }
    jsonschema.validate(valid, schema)
    for wrong in ({"set": "a"}, {"set": "a", "jobs": [{"key": "b"}]}, {"set": "a", "jobs": [{"key": "b", "nam": "c"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_the_page_of_python_has_the_methods_that_a_class_inherits() -> None:
    section = rendered("python.md").partition("### TaskFunction")[2].partition("### ")[0]
    assert "* `enqueue(payload" in section


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
    codes = set(re.findall(r'(?:Problem\(\s*\d+,|\btry_again\()\s*"(\w+)"', api)) - {"refused"}
    codes |= {kind.code for kind in CommandRejected.__subclasses__()} | {CommandRejected.code, "internal"}
    text = (REFERENCE / "http.md").read_text(encoding="utf-8").partition("## Errors")[2].partition("## ")[0]
    rows = re.findall(r"^\| \d+ \| (.*?) \|", text, re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} == codes


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
