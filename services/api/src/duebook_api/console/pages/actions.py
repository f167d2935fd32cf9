"""An action: a page with a form, which JavaScript shows as a dialog. One template serves for all of them."""

from dataclasses import dataclass, field

from duebook_api.console.pages.copies import Copies


@dataclass(frozen=True, slots=True)
class Field:
    """One input. `kind` is `text`, `area`, `select`, `check`, `number` or `hidden`; `options` are those of `select`.

    Whether one that `is_conditional` is needed follows from other fields, as its hint says.
    """

    name: str
    label: str = ""
    kind: str = "text"
    value: str = ""
    hint: str = ""
    required: bool = False
    is_conditional: bool = False
    options: tuple[tuple[str, str], ...] = ()


REASON = Field("reason", "Reason", hint="It stands in the log beside your name.")


@dataclass(frozen=True, slots=True)
class Action:
    """`path` is where the form is sent, `back` where `Cancel` leads; `notes` are sentences on what will happen."""

    title: str
    submit: str
    path: str
    back: str
    notes: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    is_dangerous: bool = False
    copies: Copies = field(default_factory=list)
    fault: str = ""
