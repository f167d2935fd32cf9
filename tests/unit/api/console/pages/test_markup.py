"""Markup from templates: no value brings markup of its own."""

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from duebook_api.console.pages.markup import fill

_VALUES = st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.none(), st.booleans())


class Hostile(str):
    """A text that is no plain str."""

    __slots__ = ()


@given(_VALUES, _VALUES)
def test_values_are_escaped_as_markupsafe_does(first: object, second: object) -> None:
    expected = Markup("<b>{}</b><i>{second}</i>").format(first, second=second)
    assert fill("<b>{}</b><i>{second}</i>", first, second=second) == expected


def test_markup_stays_and_a_kind_of_text_is_escaped() -> None:
    assert fill("{}{}", Markup("<b>"), Hostile("<b>")) == "<b>&lt;b&gt;"
    assert fill("{:.1f}", 1.25) == "1.2"
