"""What is written as YAML is read as the same JSON value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook.cli import yaml_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "on",
        "no",
        "~",
        "null",
        "True",
        "1e3",
        "+1",
        "0x1f",
        "12:30:00",
        "2026-11-24",
        "<<",
        "=",
        "- a",
        "*b",
        "a: b",
        "#",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_is_read_as_the_same_value(value: object) -> None:
    assert repr(yaml_text.load(yaml_text.dump(value))) == repr(value)


@pytest.mark.parametrize("text", ["1e3", "on", "", "line\nline", " a ", "ä"])
def test_a_text_stays_a_text(text: str) -> None:
    assert yaml_text.load(yaml_text.dump({"name": text})) == {"name": text}
