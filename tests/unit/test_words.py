"""One word for one thing: the private dialect of earlier drafts does not grow back.

The test checks the names that our code defines (variables, parameters, attributes, functions, classes, modules), and
the pronouns in comments, strings and Markdown. Names that a library defines are not ours. If a word below is needed as
a term of the field, add that term to TERMS.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

# A part of a snake_case or CamelCase name, and what to write instead.
WORDS = {
    "ancestor": "dead_letter_event",
    "asked asking": "query, request, requested",
    "beaten": "has_lease, renewed",
    "beginning beginnings": "start, new_run, opening_sentences",
    "book books": "what it is: ledger, queries, database, measurements",
    "evidence": "lost_messages",
    "forgetful": "no_fsync",
    "gathering wish wishes": "batcher, request",
    "happening happenings": "run_sentences",
    "home": "stack_dir, directory",
    "judge judged judging verdict": "decide, decision, delivery_class",
    "letter letters": "dead_letter, mail, message",
    "news": "subject, outcome",
    "nobody somebody whom whoever": "name the subject: the client, the scheduler, the recipient",
    "opening": "first_event",
    "outbox": "run_sender",
    "patience patient patiently": "timeout, look_again_after, retry_while_unavailable",
    "place places": "position, order, pointer, decision, checkpoint",
    "polite": "error_handling",
    "releaser": "admission",
    "resting": "dead_letter, dead_letter_scan",
    "room": "capacity, channels, directory",
    "said": "message, output, reason",
    "settling": "acknowledgements, ack_batcher",
    "standing": "recorded_state, now",
    "stretch stretches": "schedule_period, schedule_history",
    "tally": "summary",
    "tap taps": "subscription",
    "tell tells telling told foretelling": "name the content: entries, result, answer, frame, mail_text",
    "terms": "context, policy",
    "torn": "inconsistent",
    "turn turns": "batch, lease, interval, last_change",
    "unobtainable": "not_found",
    "carry_out carried_out": "execute",
    "made_up making_up": "backfill",
    "make_way making_way": "apply_overlap",
}
# A class is named by what it is, and not by what was done to it.
CLASSES = """
Busy Counted Decided Explained Found Frame Gate Gathered Given Hit Holder Home Known Letters Listed Mark Missed Moved
Once Opening Order Others Parts Passes Place Polite Released Row Standing Told Watch Woken
"""
# A name in backquotes, as the account `nobody`, is no pronoun.
PRONOUNS = re.compile(r"(?<!`)\b(whoever|whom|whomever|nobody|somebody)\b", re.IGNORECASE)

# Terms of the field that contain such a word.
TERMS = re.compile(r"dead_letters?|opening_sentences?")

STRINGS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
BANNED = {word: instead for words, instead in WORDS.items() for word in words.split()}


class Finding(NamedTuple):
    """A banned word, where it stands, and what to write instead."""

    path: str
    line: int
    text: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}: {self.instead}"


@cache
def files(suffix: str) -> list[Path]:
    """Our files with this suffix, in the root directory and in the directories below."""
    directories = ("libs", "services", "tests", "benchmarks", "deploy", "docs", "examples")
    below = (path for name in directories for path in (ROOT / name).rglob(f"*{suffix}"))
    return sorted({*ROOT.glob(f"*{suffix}"), *below} - {Path(__file__)})


def defined(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """Every name that the module binds, its line, and whether it is a class."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name):
                yield name, node.lineno, True
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                yield name, node.lineno, False
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno, False
            case ast.alias(asname=str(name)):
                yield name, 0, False
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, getattr(node, "lineno", 0), False


def banned(name: str) -> str | None:
    """What to write instead of a name that contains a banned word."""
    snake = "_".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)).lower()
    words = TERMS.sub("", snake).split("_")
    pairs = [f"{first}_{second}" for first, second in pairwise(words)]
    return next((BANNED[word] for word in (*words, *pairs) if word in BANNED), None)


def names_of(path: Path) -> Iterator[Finding]:
    where = str(path.relative_to(ROOT))
    for part in path.relative_to(ROOT).with_suffix("").parts:
        if instead := banned(part):
            yield Finding(where, 0, f"the file name {part}", instead)
    for name, line, is_class in defined(ast.parse(path.read_text(encoding="utf-8"))):
        if is_class and name.lstrip("_") in CLASSES.split():
            yield Finding(where, line, f"class {name}", "a class name says what it is")
        elif instead := banned(name):
            yield Finding(where, line, name, instead)


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of comments and sentences of Python, and every line of other files, each with its number."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_sentence = token.type in STRINGS and " " in token.string
        if token.type == tokenize.COMMENT or is_sentence:
            yield from enumerate(token.string.splitlines(), token.start[0])


def pronouns_of(path: Path) -> Iterator[Finding]:
    for number, text in prose_of(path):
        if pronoun := PRONOUNS.search(text):
            quoted = f"{pronoun[0]!r} in {text.strip()[:70]!r}"
            yield Finding(str(path.relative_to(ROOT)), number, quoted, "name the subject")


def findings() -> Iterator[Finding]:
    for path in files(".py"):
        yield from names_of(path)
    for path in [path for suffix in (".py", ".md", ".yaml", ".yml") for path in files(suffix)]:
        yield from pronouns_of(path)


def test_no_name_or_sentence_uses_a_banned_word() -> None:
    assert "\n".join(map(str, findings())) == ""


@pytest.mark.parametrize("name", ["told", "_Told", "by_letters", "carry_out_all", "RunOutbox", "test_nobody_comes"])
def test_a_banned_word_is_found_in_any_notation(name: str) -> None:
    assert banned(name) is not None


@pytest.mark.parametrize("name", ["dead_letters", "DeadLetterPublisher", "toldness", "carry", "out"])
def test_a_term_of_the_field_is_no_banned_word(name: str) -> None:
    assert banned(name) is None


def test_the_name_of_a_test_has_less_than_80_characters() -> None:
    names = [name for path in files(".py") for name, _, _ in defined(ast.parse(path.read_text(encoding="utf-8")))]
    assert [name for name in names if name.startswith("test_") and len(name) >= 80] == []


if __name__ == "__main__":
    for each in sorted(findings()):
        print(each)
