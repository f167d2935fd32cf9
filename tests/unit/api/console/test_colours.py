"""The colours that stand on each other in a picture differ for every eye; other statuses have a glyph and a word."""

import re
from itertools import combinations
from pathlib import Path

import pytest

import duebook_api.console

STYLE = (Path(duebook_api.console.__file__).parent / "static/console.css").read_text(encoding="utf-8")
# What an eye without one kind of cones sees, by Machado, Oliveira and Fernandes (2009): linear red, green and blue.
EYES = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
# OKLab, by Ottosson (2020): from linear colour to cones, and from their cube roots to lightness and two hues.
CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
Colour = tuple[float, ...]
JUST_SEEN = 0.02  # the least difference in OKLab that is seen


def times(matrix: tuple[Colour, ...], colour: Colour) -> Colour:
    return tuple(sum(a * b for a, b in zip(row, colour, strict=True)) for row in matrix)


def of(name: str, theme: int) -> Colour:
    """The colour of a role, as channels from 0 to 1."""
    found = re.search(rf"--{name}: light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)", STYLE)
    assert found is not None, name
    text = found[theme + 1][1:]
    digits = text if len(text) == 6 else "".join(2 * each for each in text)
    return tuple(int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4))


def seen(colour: Colour, eye: str) -> Colour:
    linear = tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return times(LAB, tuple(max(0.0, each) ** (1 / 3) for each in times(CONES, times(EYES[eye], linear))))


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_outcomes_that_stand_on_each_other_differ_for_every_eye(theme: int, eye: str) -> None:
    mixed = zip(of("succeeded", theme), of("panel", theme), strict=True)
    succeeded = tuple(0.6 * front + 0.4 * back for front, back in mixed)  # as `.fill-succeeded` mixes it
    colours = [seen(each, eye) for each in (succeeded, of("retrying", theme), of("dead", theme))]
    for one, other in combinations(colours, 2):
        assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 >= 2 * JUST_SEEN


def luminance(colour: Colour) -> float:
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("role", ["dead", "retrying", "waiting"])
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_mark_of_a_day_stands_out_from_its_square(theme: int, role: str) -> None:
    dark, light = sorted((luminance(of("mark", theme)), luminance(of(role, theme))))
    assert (light + 0.05) / (dark + 0.05) >= 3  # WCAG 2.2, 1.4.11


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_looks_of_days_differ_for_every_eye(theme: int, eye: str) -> None:
    colours = [seen(of(role, theme), eye) for role in ("succeeded", "retrying", "dead", "waiting")]
    for one, other in combinations(colours, 2):
        assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 >= 2 * JUST_SEEN
