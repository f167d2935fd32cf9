"""How this installation serves the console."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """`base_path` is what a reverse proxy puts before every path, without a slash at its end.

    `public_url` is where people reach the console; empty if that is not known.
    """

    base_path: str = ""
    needs_key: bool = False
    public_url: str = ""
