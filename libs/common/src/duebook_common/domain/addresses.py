"""The one grammar of e-mail addresses. The API, the settings, `email.send` and the notifier all use it.

It is narrower than RFC 5321: no quoted part before the @, no IP address after it. Each mail server accepts the rest.
"""

import re
from unicodedata import category, normalize

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_LONGEST_LOCAL, _LONGEST_LABEL, _LONGEST = 64, 63, 254
_ALPHABETIC = frozenset({"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"})  # IDNA 2008 allows these categories, with few exceptions
_SHOWN = 100


def is_address(text: str) -> bool:
    """Whether a mail can be sent to this address."""
    try:
        return "@" in text and bool(mailable(text))
    except ValueError:
        return False


def mailable(text: str) -> str:
    """The address as SMTP needs it, an international domain as `xn--`. Raises ValueError with the reason."""
    local, at, domain = text.partition("@")
    if not at or "@" in domain:
        raise _refusal(text, "write one plain address like ops@example.com")
    if len(text) > _LONGEST:
        raise _refusal(text, f"it has {len(text)} characters; at most {_LONGEST} are allowed")
    if fault := _local_fault(local) or _domain_fault(domain):
        raise _refusal(text, fault)
    mailed = f"{local}@{_ascii_domain(domain)}"
    if len(mailed) > _LONGEST:
        raise _refusal(text, f"with its domain as xn-- it has {len(mailed)} characters; at most {_LONGEST} are allowed")
    return mailed


def _refusal(text: str, reason: str) -> ValueError:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return ValueError(f"{shown!r} is not one e-mail address: {reason}")


def _local_fault(local: str) -> str | None:
    """Why mail servers would not accept the part before the @."""
    if not local:
        return "nothing stands before the @"
    if len(local) > _LONGEST_LOCAL:
        return f"it has {len(local)} characters before the @; at most {_LONGEST_LOCAL} are allowed"
    if not local.isascii():
        return "what stands before the @ is not ASCII, which few mail servers accept"
    if not _LOCAL.fullmatch(local):
        return "before the @ only letters, digits, single dots and !#$%&'*+/=?^_`{|}~- are allowed; leave out names"
    if "=?" in local:
        return "before the @ the characters =? are not allowed, because mail programs decode what follows"
    return None


def _domain_fault(domain: str) -> str | None:
    """Why there can be no mail server for the part after the @."""
    if not domain:
        return "nothing stands after the @"
    return next(filter(None, map(_label_fault, domain.split("."))), None)


def _label_fault(label: str) -> str | None:
    if not label.isascii() and not _is_international(label):
        return f"{label!r} in its domain is not a name that IDNA allows; write its registered form, xn--…"
    ascii_label = _ascii_label(label)
    if not _LABEL.fullmatch(ascii_label):
        return "after the @ only a domain is allowed: letters, digits, single dots, and - between letters or digits"
    if len(ascii_label) > _LONGEST_LABEL:
        form = "" if label.isascii() else " as xn--"
        return f"a part of its domain has {len(ascii_label)} characters{form}; at most {_LONGEST_LABEL} are allowed"
    return None


def _is_international(label: str) -> bool:
    """Whether IDNA allows this label of a domain that is not ASCII."""
    mapped = _mapped(label)
    spelled = all(char == "-" or category(char) in _ALPHABETIC for char in mapped)
    begins = mapped != "" and category(mapped[0])[0] != "M"
    return spelled and begins and mapped[2:4] != "--" and _has_one_direction(mapped)


def _has_one_direction(label: str) -> bool:
    """Whether RFC 5893 allows what the label has of characters that are written from right to left."""
    from idna import IDNABidiError, check_bidi  # noqa: PLC0415 - its tables are loaded for few addresses only

    try:
        return check_bidi(label)
    except IDNABidiError:
        return False


def _ascii_domain(domain: str) -> str:
    return ".".join(map(_ascii_label, domain.split(".")))


def _ascii_label(label: str) -> str:
    """The label as DNS has it (RFC 5891). ß stays ß: IDNA 2003 made it ss, which is another domain."""
    mapped = label if label.isascii() else _mapped(label)
    return mapped if mapped.isascii() else f"xn--{mapped.encode('punycode').decode()}"


def _mapped(label: str) -> str:
    return normalize("NFKC", normalize("NFKC", label).lower())
