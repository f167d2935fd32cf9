"""How this installation serves the console."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """`base_path` is what a reverse proxy puts before every path, without a slash at its end.

    `trace_url` is where the trace of a run is shown, with `{trace_id}` in it; empty without such a place.
    `public_url` is where people reach the console; empty if that is not known.
    """

    base_path: str = ""
    needs_key: bool = False
    public_url: str = ""
    trace_url: str = ""

    def trace_of(self, trace_id: str) -> str:
        """The URL of the trace; empty if none is set."""
        return self.trace_url.replace("{trace_id}", quote(trace_id, safe=""))
