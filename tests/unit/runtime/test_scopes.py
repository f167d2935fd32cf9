"""Which scopes grant which, and that each is explained in the same words everywhere."""

from pathlib import Path

from typer.testing import CliRunner

from duebook.cli.app import app
from duebook_common.runtime.scopes import MEANINGS, Scope, allowed

SECURITY = Path(__file__).parents[3] / "SECURITY.md"


def test_a_scope_grants_itself_a_verb_all_of_its_kind_and_a_star_everything() -> None:
    for held in Scope:
        for needed in Scope:
            of_all_kinds = held in {"read", "write"} and needed.endswith(f":{held}")
            assert allowed([held], needed) == (held in {needed, "*"} or of_all_kinds)


def test_words_that_are_no_scopes_grant_nothing() -> None:
    words = ["jobs", "all", "admin", "reading", "jobs:*", "JOBS:READ", ""]
    assert not any(allowed(words, needed) for needed in Scope)


def test_each_scope_is_explained_in_one_line() -> None:
    assert list(MEANINGS) == list(Scope)
    assert all(len(meaning) <= 100 and meaning[0].islower() for meaning in MEANINGS.values())


def test_the_page_on_security_explains_each_scope_in_these_words() -> None:
    rows = SECURITY.read_text().replace("**", "").splitlines()
    names = tuple(f"| `{scope}`" for scope in Scope)
    assert [row for row in rows if row.startswith(names)] == [f"| `{scope}` | {MEANINGS[scope]} |" for scope in Scope]


def test_the_help_of_a_new_key_explains_each_scope_in_these_words() -> None:
    shown = CliRunner().invoke(app, ["key", "create", "--help"], terminal_width=80).output.splitlines()
    assert all(f"{scope:18}  {MEANINGS[scope]}" in map(str.strip, shown) for scope in Scope)
