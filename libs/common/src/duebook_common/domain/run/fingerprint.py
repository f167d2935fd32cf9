"""The fingerprint of an error: equal for errors of a task that differ in ids, numbers and addresses of memory only.

It keeps what tells one cause from another: the class of the exception, the status of HTTP, hosts and ports.
"""

import re
from hashlib import sha256
from http import HTTPStatus

_CLASS = re.compile(r"[A-Z]\w*[A-Za-z](?=: |$)", re.ASCII)
_PHRASES = "|".join(re.escape(status.phrase) for status in HTTPStatus)
_KEPT = "|".join(
    (
        r"[a-z][a-z0-9+.-]*://[^\s/?#'\"<>]+",  # scheme, host and port of a URL
        # As `http.request` says it.
        r"\b(?:connection to|exchange with|got [1-5]\d\d from) (?:\[\S+?\]|[^\s:]+):\d{1,5}\b",
        r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])(?::\d{1,5}\b)?",
        r"\[[0-9a-f.]*:[0-9a-f:.]*\](?::\d{1,5}\b)?",
        r"\((['\"])[^'\"]*\2, \d{1,5}(?=[,)])",  # an address as Python writes it
        r"\b(?:localhost|(?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*):\d{1,5}\b",
        r"\b(?:HTTP(?:/\d(?:\.\d)?)?|status(?:[ _-]?code)?)\W{0,3}[1-5]\d\d\b",
        rf"\b[1-5]\d\d (?:{_PHRASES})\b",
    )
)
# A UUID, which may have no digit, and every word with a digit in it, with the parts of a decimal number or a time.
_VARYING = r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|[+-]?[\w-]*\d[\w-]*(?:[.,:+]\d[\w-]*)*"
_TOKENS = re.compile(rf"(?P<kept>{_KEPT})|{_VARYING}", re.IGNORECASE)
_ONE_LINE = frozenset({"http.request"})  # whose errors have the answer's body on the lines below


def fingerprint(task: str, error: str) -> str:
    """16 hexadecimal digits."""
    text = error.partition("\n")[0] if task in _ONE_LINE else error
    class_ = _CLASS.match(text)
    begin = class_.end() if class_ else 0
    return sha256(f"{task}\n{text[:begin]}{_TOKENS.sub(_token, text[begin:])}".encode()).hexdigest()[:16]


def _token(found: re.Match[str]) -> str:
    return found[0] if found["kept"] else "#"
