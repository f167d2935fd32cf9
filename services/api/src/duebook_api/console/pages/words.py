"""Small phrases that several pages share."""

import re
import unicodedata

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_BLANK = {"\u115f", "\u1160", "\u2800", "\u3164", "\uffa0"}  # letters and a symbol that fonts draw as nothing


def count(number: int) -> str:
    """Like `1,204`."""
    return f"{number:,}"


def short_id(id_: object) -> str:
    """The beginning and the end of an id, as `3fa1…c2e0`: ids of one moment begin alike."""
    text = str(id_)
    return text if len(text) <= 12 else f"{text[:4]}…{text[-4:]}"


def short_name(name: str) -> str:
    """The name of an executor with its id shortened, as `worker-1/0575…cc1c`; any other name as it is."""
    host = host_of(name)
    return name if host == name else f"{host}/{short_id(name[len(host) + 1 :])}"


def host_of(name: str) -> str:
    """The host of an executor, for a narrow column; any other name as it is."""
    host, slash, id_ = name.rpartition("/")
    return host if slash and _UUID.fullmatch(id_) else name


def ordinal(number: int) -> str:
    """Like `third`; from the tenth on like `11th`."""
    names = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
    if 1 <= number <= len(names):
        return names[number - 1]
    suffix = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def cut(text: str, longest: int = 200) -> str:
    """The beginning of a text that a client chose."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def named(name: str) -> str:
    """A name that a client chose; one without a visible character has words, so that its link can be seen and hit."""
    visible = any(unicodedata.category(each)[0] not in "CMZ" and each not in _BLANK for each in name)
    return name if visible else "(name without a visible character)"


def sentence(text: str) -> str:
    """With a capital letter at the start and a full stop at the end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".") if text else ""


def first_line(error: str | None, longest: int = 120) -> str:
    return cut((error or "").strip().partition("\n")[0], longest) or "no message"
