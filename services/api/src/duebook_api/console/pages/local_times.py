"""Times that a reader types: without an offset they are meant in the zone in which the page shows times."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from duebook_api.console.pages.times import Times


def with_offsets(query: Sequence[tuple[str, str]], names: Collection[str], times: Times) -> dict[str, list[str]] | None:
    """The query with an offset at each of these times; None if none lacks one.

    So the page moves to a URL that means the same for a reader in another zone.
    """
    changed, values = False, dict[str, list[str]]()
    for name, value in query:
        text = _with_offset(value, times) if name in names else value
        changed = changed or text != value
        values.setdefault(name, []).append(text)
    return values if changed else None


def _with_offset(text: str, times: Times) -> str:
    try:
        at = datetime.fromisoformat(text)
        return text if at.tzinfo is not None else at.replace(tzinfo=times.info()).isoformat()
    except (ValueError, OverflowError):
        return text  # the filter refuses it by name


def field_values(times_of: Mapping[str, datetime | None], times: Times) -> dict[str, str]:
    """The times as `<input type="datetime-local">` takes them."""
    return {name: f"{times.local(at):%Y-%m-%dT%H:%M:%S}" if at is not None else "" for name, at in times_of.items()}
