"""What a mail says: plain text and HTML from templates, and headers into which nobody can put others."""

import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from duebook_common.domain.run import Run

_ADDRESS = re.compile(r"""[^\s@,;:<>()\[\]"\\\x00-\x1f\x7f]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?""")
_LONGEST_NAME, _LONGEST_DETAIL = 120, 2048


def address(text: str) -> Address:
    """One plain address, without a name; raises ValueError for anything else, several addresses included."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is not one e-mail address")
    username, _, domain = text.rpartition("@")
    return Address(username=username, domain=domain)


def compose(run: Run, outcome: str, *, sender: str, recipient: str, message_id: str, now: datetime) -> EmailMessage:
    """The mail that tells one recipient of an outcome; `run` as it stood then. Raises ValueError for a bad address."""
    headline = f"{_name(run)} {_verdict(run, outcome)}"
    facts = {
        "headline": headline,
        "run": run,
        "name": _name(run),
        "outcome": outcome,
        "detail": _detail(run, outcome),
    }
    mail = EmailMessage(policy=SMTP)
    mail["From"] = address(sender)
    mail["To"] = address(recipient)
    mail["Subject"] = f"[Duebook] {headline}"
    mail["Message-ID"] = message_id
    mail["Date"] = now
    mail["Auto-Submitted"] = "auto-generated"  # so that no absence note answers
    mail.set_content(_templates().get_template("mail.txt").render(facts))
    mail.add_alternative(_templates().get_template("mail.html").render(facts), subtype="html")
    return mail


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("duebook_notifier"),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["utc"] = _utc
    return environment


def _utc(time: datetime | None) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if time else "-"


def _name(run: Run) -> str:
    """The job's name on one line: control characters and anything else unprintable become spaces."""
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in run.job_name).split())
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _verdict(run: Run, outcome: str) -> str:
    because = f" ({run.reason})" if run.reason and run.reason.isprintable() else ""
    match outcome:
        case "dead_lettered":
            return f"was given up after {run.attempt} attempt{'' if run.attempt == 1 else 's'}"
        case "failed":
            return f"failed its attempt {run.attempt}, a further one follows"
        case "succeeded":
            return "succeeded"
        case _:
            return f"was {outcome.replace('_', ' ')}{because[:100]}"


def _detail(run: Run, outcome: str) -> str:
    """The error or the result, on lines of its own, cut to what a mail can show."""
    result: Any = run.result
    text = orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() if result is not None else ""
    if outcome in {"failed", "dead_lettered"}:
        text = run.error or ""
    text = "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}\n… ({len(text)} characters in all)"
