import re
from pathlib import Path

import pytest

from duebook_api.access.weak_keys import weakness

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("key", ["a", "secret", "x" * 40, "abcabcabcabcabcabcabc", "1234567890123456789", "Change-Me"])
def test_a_key_that_is_easily_guessed_is_weak(key: str) -> None:
    assert weakness(key)


@pytest.mark.parametrize(
    "key", ["sk_1f2e3d4c5b6a7988_Zk3vR8sLq0", "correct horse battery staple", "b" + "0123456789" * 3]
)
def test_a_long_key_of_many_characters_passes(key: str) -> None:
    assert weakness(key) is None


def test_every_key_that_we_publish_is_weak() -> None:
    texts = [ROOT / ".env.example", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.y*ml")]
    found = {
        key
        for path in texts
        for key in re.findall(r"DUEBOOK_API_KEY[=:] ?[\"']?([\w-]{3,})", path.read_text(encoding="utf-8"))
    }
    assert "development-only-change-me" in found
    assert [key for key in found if not weakness(key)] == []
