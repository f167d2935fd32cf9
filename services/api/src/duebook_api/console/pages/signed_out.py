"""A form that was sent after its session had ended: what its page shows, and where it must be confirmed again."""

from collections.abc import Mapping
from urllib.parse import urlencode

from duebook_api.console.pages.backfill import CHECKED
from duebook_api.console.pages.words import cut

_CONFIRMED = {"abort", "cancel", "delete", "discard", "erase", "freeze", "revoke"}  # by a dialog that says what happens
_BULK = "/console/bulk/new"
_FILTER = "filter."
_NOT_TYPED = {"once", "shown", "back", "version", "payload_shown", "payload_task", CHECKED}


def dialog_path(path: str, fields: Mapping[str, str]) -> str | None:
    """The page that asks for a confirmation; None of a form that is itself all that its sender saw.

    Days later, or for the holder of another key, the form alone would act without the words of its dialog.
    """
    if path == _BULK:
        filter_ = {name.removeprefix(_FILTER): value for name, value in fields.items() if name.startswith(_FILTER)}
        return f"{path}?{urlencode({**filter_, 'action': fields.get('action', '')})}"
    return path if path.rpartition("/")[2] in _CONFIRMED else None


def kept(fields: Mapping[str, str]) -> dict[str, str]:
    """What is sent again; a range that was checked for a backfill is checked anew, as it has a dialog of two steps."""
    return {name: value for name, value in fields.items() if name != CHECKED}


def typed(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the form holds that its sender can tell it by; empty fields are left out."""
    return [(cut(name, 60), cut(value, 500)) for name, value in fields.items() if value and name not in _NOT_TYPED]
