"""The colours of mails by role, those of the console, and how each kind of outcome looks."""

from typing import NamedTuple

from duebook_notifier.mail_text import Look

LIGHT = {
    "background": "#fbfbfa",
    "panel": "#ffffff",
    "ink": "#1c1d1f",
    "soft": "#5d6168",
    "line": "#e6e6e3",
    "accent": "#2f5bd3",
    "on_accent": "#ffffff",
    "code": "#f4f4f2",
    "wash": "#fdf4e3",
    "succeeded": "#3d7f6e",
    "retrying": "#8a5a10",
    "dead": "#c0392b",
}
DARK = {
    "background": "#131416",
    "panel": "#1a1c1f",
    "ink": "#e8e8e6",
    "soft": "#a5abb3",
    "line": "#2a2d31",
    "accent": "#8aa8ff",
    "on_accent": "#10131c",
    "code": "#131416",
    "wash": "#2e2718",
    "succeeded": "#7cc4ae",
    "retrying": "#e0b055",
    "dead": "#ff8378",
}
# Text and what it stands on. A mail program that knows no dark theme shows the light one.
PAIRS = (
    *((text, "panel") for text in ("ink", "soft", "accent", "succeeded", "retrying", "dead")),
    *((text, "code") for text in ("ink", "soft")),
    ("ink", "wash"),
    ("soft", "background"),
    ("on_accent", "accent"),
)


class Chip(NamedTuple):
    """The word, glyph and colour at the top of a mail."""

    word: str
    glyph: str
    role: str


LOOKS = {
    Look.DEAD: Chip("dead letter", "✕", "dead"),
    Look.RETRYING: Chip("will be retried", "↻", "retrying"),
    Look.SUCCEEDED: Chip("succeeded", "✓", "succeeded"),
    Look.SKIPPED: Chip("skipped", "⊘", "soft"),
    Look.MISSED: Chip("missed", "⊘", "retrying"),
    Look.CANCELLED: Chip("cancelled", "■", "soft"),
    Look.DIGEST: Chip("digest", "≡", "soft"),
}
