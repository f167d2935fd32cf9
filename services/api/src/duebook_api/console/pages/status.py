"""The look of a status: its word, its glyph and its role, so that colour never says anything alone."""

from typing import NamedTuple

from markupsafe import Markup

from duebook_api.console.pages.markup import fill


class Look(NamedTuple):
    """`role` names the colour in the style sheet; `glyph` is the path of a drawing in a box of 16 by 16."""

    word: str
    role: str
    glyph: str


_CHECK = "M3.2 8.6l3.1 3.1 6.5-7"
_CROSS = "M4 4l8 8M12 4l-8 8"
_PLAY = "M5 3.2v9.6L12.6 8z"
_AGAIN = "M12.9 9.2A5 5 0 1 1 11.6 4.4M12.2 2v3h-3"
_CIRCLE = "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z"
_CLOCK = f"{_CIRCLE}M8 5.4V8l1.8 1.4"
_ARROW = "M2.5 8h10M9 4.5L12.5 8 9 11.5"
_MINUS = "M3.5 8h9"
_SQUARE = "M4 4h8v8H4z"
_SLASH = f"{_CIRCLE}M4.6 11.4l6.8-6.8"
_BARS = "M5.5 3.5v9M10.5 3.5v9"
_DOT = "M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z"
_FORWARD = "M3.5 4l4 4-4 4M8.5 4l4 4-4 4"
_WARNING = "M8 2.5L14 13H2zM8 6.5v3M8 11.4v.2"

LOOKS = {
    "due": Look("due", "soft", _CLOCK),
    "waiting": Look("waiting", "waiting", _CIRCLE),
    "dispatched": Look("dispatched", "waiting", _ARROW),
    "running": Look("running", "running", _PLAY),
    "retrying": Look("retrying", "retrying", _AGAIN),
    "succeeded": Look("succeeded", "succeeded", _CHECK),
    "dead_lettered": Look("dead letter", "dead", _CROSS),
    "cancelled": Look("cancelled", "soft", _SQUARE),
    "skipped": Look("skipped", "skipped", _SLASH),
    "discarded": Look("discarded", "soft", _MINUS),
    "active": Look("active", "succeeded", _DOT),
    "paused": Look("paused", "retrying", _BARS),
    "finished": Look("finished", "soft", _CHECK),
    "deleted": Look("deleted", "soft", _MINUS),
    "alive": Look("alive", "succeeded", _CHECK),
    "draining": Look("draining", "retrying", _AGAIN),
    "lost": Look("lost", "dead", _CROSS),
    "ended": Look("ended", "succeeded", _CHECK),
    "aborted": Look("aborted", "soft", _SQUARE),
    "warning": Look("warning", "retrying", _WARNING),
    "unaccounted": Look("unaccounted", "dead", _WARNING),
    "sent": Look("sent", "succeeded", _CHECK),
    "held": Look("held", "waiting", _CIRCLE),
    "in_digest": Look("in a digest", "succeeded", _CHECK),
    "given_up": Look("given up", "dead", _CROSS),
    "revoked": Look("revoked", "dead", _SLASH),
    "expired": Look("expired", "soft", _CLOCK),
    "upcoming": Look("to come", "soft", _CIRCLE),
    "retried": Look("after retries", "retrying", _AGAIN),
    "caught_up": Look("caught up late", "waiting", _FORWARD),
    "pending": Look("pending", "waiting", _CIRCLE),
}
_UNKNOWN_GLYPH = _DOT
_SOLID = {_DOT, _PLAY}


def look(status: str) -> Look:
    """The look of a status; one that a newer server knows is shown by its own name."""
    return LOOKS.get(status) or Look(status.replace("_", " "), "soft", _UNKNOWN_GLYPH)


def glyph(status: str) -> Markup:
    """The glyph alone, where the word stands beside it."""
    shown = look(status)
    solid = " solid" if shown.glyph in _SOLID else ""
    template = '<svg class="glyph {}" viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg>'
    return fill(template, f"is-{shown.role}{solid}", shown.glyph)


def chip(status: str, more: str = "") -> Markup:
    """The glyph and the word, and maybe more words, as `succeeded, third attempt`."""
    word = look(status).word + (f", {more}" if more else "")
    template = '<span class="chip is-{}" data-status="{}">{}<span>{}</span></span>'
    return fill(template, look(status).role, status, glyph(status), word)
