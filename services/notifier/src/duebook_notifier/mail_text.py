"""What a mail says: a sentence, what to do, facts, links, errors and commands. The templates only arrange it."""

from dataclasses import dataclass
from enum import StrEnum

FOOTER = "The notify of the job says which outcomes are mailed, and to which addresses."


class Look(StrEnum):
    """What kind of outcome a mail is about: the colour, glyph and word at its top."""

    DEAD = "dead"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    MISSED = "missed"
    CANCELLED = "cancelled"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class NextStep:
    """What the reader can do; each of the commands and requests does it."""

    text: str
    commands: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A page of the console. `label` stands before the URL, `button` on the button."""

    label: str
    url: str
    button: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a digest: how many of what, and where it leads to: a URL or a command."""

    count: int
    text: str
    note: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Counted lines under a title."""

    title: str
    lines: tuple[Line, ...]
    compact: bool = False  # notes are short and stand on the same line


@dataclass(frozen=True, slots=True)
class Detail:
    """A longer text, such as an error."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class MailText:
    """`headline` is also the subject; with `why` it is one sentence. `facts` are pairs of a label and a value."""

    look: Look
    headline: str
    why: str = "."
    remedy: str = ""
    alike: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    sections: tuple[Section, ...] = ()
    details: tuple[Detail, ...] = ()
    next_steps: tuple[NextStep, ...] = ()
    footer: str = ""
