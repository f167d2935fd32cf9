import re
from pathlib import Path
from uuid import UUID

import pytest

import duebook_api.console
from duebook_api.console.pages.words import host_of, named, short_name


def test_the_name_of_an_executor_is_shown_with_a_short_id() -> None:
    assert short_name(f"worker-1/{UUID(int=7)}") == "worker-1/0000…0007"
    assert short_name(f"executor worker-1/{UUID(int=7)}") == "executor worker-1/0000…0007"
    for other in ("key:ops", "scheduler worker-1", "a/b", ""):
        assert short_name(other) == host_of(other) == other


def test_a_narrow_column_has_the_host_of_an_executor() -> None:
    assert host_of(f"worker-1/{UUID(int=7)}") == "worker-1"


def test_a_name_without_a_visible_character_has_words() -> None:
    assert named("nightly \u202ereport") == "nightly \u202ereport"
    assert named("re\u0301sume\u0301") == "re\u0301sume\u0301"


@pytest.mark.parametrize(
    "blank", [" ", "\u200b\u2060", "\u202e", "\n\t", "\u3164", "\u2800", "\u115f\u1160", "\uffa0", "\u034f", "\ufe0f"]
)
def test_a_blank_name_has_words(blank: str) -> None:
    assert named(blank) == "(name without a visible character)"


def test_every_page_and_title_shows_a_blank_job_name_in_words() -> None:
    shown = [
        use
        for path in Path(duebook_api.console.__file__).parent.glob("templates/*.html")
        for use in re.findall(r"{{ (?:\w+\.job_name|(?:job|bench)\.name)\b.*?}}", path.read_text(encoding="utf-8"))
    ]
    assert len(shown) > 5
    assert [use for use in shown if "| named" not in use] == []
