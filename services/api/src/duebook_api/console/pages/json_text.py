"""JSON as a page shows it: verbatim numbers, indented, folded where it is large, and never as markup."""

from typing import Any

import orjson
from markupsafe import Markup

from duebook_api.console.pages.markup import fill

_FOLDED = 2_000  # characters from which on the text is folded
_SHOWN = 20_000  # characters of a page; the rest is in the download
_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
# They would turn the text around them, or be invisible: bidirectional controls and zero-width characters.
_CONTROLS = {
    code: f"\\u{code:04x}" for code in (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
}


def plain(value: Any) -> Any:
    """The value of an answer; a part that was passed on as JSON text is parsed."""
    return orjson.loads(orjson.dumps(value, str, orjson.OPT_UTC_Z))


def json_text(value: Any) -> str:
    """Indented JSON in which no character changes the direction of others."""
    return orjson.dumps(value, str, _PRETTY).decode().translate(_CONTROLS)


def json_view(value: Any, download: str = "") -> Markup:
    """The JSON as `<pre>`, folded if it is long; `download` is the link to all of it."""
    text = json_text(value)
    link = fill('<a class="download" href="{}" download>Download</a>', download) if download else ""
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "\n…"
    pre = fill('<pre class="json" tabindex="0">{}</pre>', cut)
    if len(text) <= _FOLDED:
        return fill('<div class="json-view">{}{}</div>', pre, link)
    size = f"{len(text.encode()):,} bytes"
    template = '<div class="json-view"><details><summary>{}</summary>{}</details>{}</div>'
    return fill(template, size, pre, link)
