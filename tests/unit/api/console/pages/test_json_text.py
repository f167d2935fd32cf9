import json
import re

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.json_text import json_text, json_view

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
HOSTILE = st.sampled_from(["</script>", "<img src=x onerror=alert(1)>", "\u202egnp.exe", '"&<>', "{{7*7}}", "\ufeff"])


def test_numbers_are_verbatim() -> None:
    assert "1152921504606846976" in json_view({"n": 2**60})


@given(JSON | st.dictionaries(HOSTILE, HOSTILE))
def test_the_text_is_the_same_json_and_its_markup_none_of_the_payload(value: object) -> None:
    assert json.loads(json_text(value)) == value
    tags = set(re.findall(r"<\s*(\w+)", json_view(value)))
    assert tags <= {"div", "pre", "details", "summary", "a"}


@given(st.text(alphabet="\u202a\u202e\u2066\u2069\u200b\ufeffab"))
def test_no_character_changes_the_direction_of_others(text: str) -> None:
    assert not set("\u202a\u202e\u2066\u2069\u200b\ufeff") & set(json_text(text))


def test_a_long_text_is_folded_and_can_be_downloaded() -> None:
    view = json_view(["x" * 1000] * 256, "/download")
    assert view.startswith('<div class="json-view"><details><summary>')
    assert len(view) < 30_000
    assert 'href="/download"' in view


def test_a_short_text_is_not_folded() -> None:
    assert "<details>" not in json_view({"a": 1})
