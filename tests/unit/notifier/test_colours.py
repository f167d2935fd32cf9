"""The colours of mails: every text has enough contrast in both themes (WCAG 2.2, 4.5 : 1)."""

import re
from pathlib import Path

import pytest

import duebook_notifier
from duebook_notifier.colours import DARK, LIGHT, LOOKS, PAIRS
from duebook_notifier.mail_text import Look

TEMPLATE = (Path(duebook_notifier.__file__).parent / "templates/mail.html").read_text()


def luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("text", "ground"), PAIRS)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_a_text_stands_out_from_its_ground(theme: dict[str, str], text: str, ground: str) -> None:
    assert contrast(theme[text], theme[ground]) >= 4.5


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_each_look_has_a_word_a_glyph_and_a_colour() -> None:
    assert set(LOOKS) == set(Look)
    assert len({chip.word for chip in LOOKS.values()}) == len(Look)
    assert {chip.role for chip in LOOKS.values()} <= {text for text, ground in PAIRS if ground == "panel"}


def test_each_colour_of_the_template_has_a_dark_one_and_no_other_is_used() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert set(re.findall(r"\b(?:light|dark)\.(\w+)", TEMPLATE)) <= LIGHT.keys()
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", TEMPLATE) == []
