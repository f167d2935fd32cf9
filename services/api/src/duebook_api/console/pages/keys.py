"""The view models of API keys and of the audit."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duebook_api.console.pages import words
from duebook_api.console.pages.actions import Action, Field
from duebook_api.console.pages.copies import copies, curl
from duebook_api.console.pages.events import facts, page_in_navigation, path_of, type_in_words, without_payloads
from duebook_api.console.pages.json_text import json_text, plain
from duebook_common.runtime.phrases import quantity
from duebook_common.runtime.scopes import MEANINGS, Scope, allowed

STATUSES = (("", "all"), ("active", "active"), ("expired", "expired"), ("revoked", "revoked"))
LIFETIMES = (
    ("P7D", "7 days"),
    ("P30D", "30 days"),
    ("P90D", "90 days"),
    ("P365D", "a year"),
    ("", "ever, until it is revoked"),
)
SCOPE_FIELD = "scope-"


@dataclass(frozen=True, slots=True)
class KeyRow:
    id: str
    name: str
    status: str
    scopes: Sequence[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ActRow:
    """What a person or a program did; `path` leads to what it was done to, and may be empty."""

    position: str
    at: datetime
    actor: str
    name: str
    type: str
    words: str
    kind: str
    id: str
    path: str
    page: str
    reason: str
    facts: str
    data: str


def key_rows(keys: Sequence[Mapping[str, Any]]) -> list[KeyRow]:
    names = ("id", "name", "status", "scopes", "created_at", "created_by", "expires_at", "last_used_at", "revoked_at")
    return [KeyRow(**{name: key[name] for name in names}) for key in keys]


def sentence(keys: Sequence[Mapping[str, Any]], *, is_all: bool) -> str:
    """How many keys can be used, and how many of them never were."""
    active = [key for key in keys if key["status"] == "active"]
    unused = sum(key["last_used_at"] is None for key in active)
    if not is_all:
        return f"{quantity(len(keys), 'key')} on this page."
    never = f"; {unused:,} of them {'was' if unused == 1 else 'were'} never used" if unused else ""
    return f"{quantity(len(active), 'active key')}{never}."


def act_rows(acts: Sequence[Mapping[str, Any]]) -> list[ActRow]:
    return [_act(act) for act in acts]


def _act(act: Mapping[str, Any]) -> ActRow:
    kind, _, id_ = act["stream"].partition("-")
    data = without_payloads(plain(act["data"]))
    shown = {name: value for name, value in data.items() if name != "reason"} if isinstance(data, dict) else data
    return ActRow(
        position=act["position"],
        at=act["at"],
        actor=act["actor"] or "",
        name=act["key_name"] or "",
        type=act["type"],
        words=type_in_words(act["type"]),
        kind=kind,
        id=id_,
        path=path_of(kind, id_),
        page=page_in_navigation(kind),
        reason=act["reason"] or "",
        facts=facts(shown),
        data=json_text(data),
    )


def create_form(url: str, scopes: Collection[str], form: Mapping[str, str], fault: str, *, needs_key: bool) -> Action:
    """The form of a new key, with what was sent before; it offers the scopes that the reader has."""
    offered = [scope for scope in reversed(Scope) if allowed(scopes, scope)]  # the broad ones first
    name = Field("name", "Name", value=form.get("name", ""), hint="Its owner or purpose.", required=True)
    lifetime = Field(
        "expires_in", "Valid for", "select", form.get("expires_in", "P90D"), options=LIFETIMES, required=True
    )
    checks = tuple(
        Field(
            f"{SCOPE_FIELD}{scope}",
            scope,
            "check",
            form.get(f"{SCOPE_FIELD}{scope}", ""),
            words.sentence(MEANINGS[scope]),
        )
        for scope in offered
    )
    body = {"name": "…", "scopes": ["read"], "expires_in": "P90D"}
    return Action(
        title="Make a key",
        submit="Make the key",
        path="/console/keys/new",
        back="/console/keys",
        notes=("It is shown once, on the next page. A key can be given the scopes that yours has, and no other.",),
        fields=(name, lifetime, *checks),
        copies=copies(
            curl(url, "POST", body, needs_key=needs_key),
            ["key", "create", "--name", "…", "--scope", "read", "--expires", "90d"],
        ),
        fault=fault,
    )


def body_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The request for a new key that the form means."""
    scopes = [name.removeprefix(SCOPE_FIELD) for name in form if name.startswith(SCOPE_FIELD)]
    return {"name": form.get("name", ""), "scopes": scopes, "expires_in": form.get("expires_in") or None}


def revoke_form(key_id: str, url: str, *, is_own: bool, needs_key: bool) -> Action:
    own = Field("own", "This is the key of my session, and I want to be signed out", "check")
    body = {"reason": "…", **({"own": True} if is_own else {})}
    return Action(
        title=f"Revoke the key {key_id}",
        submit="Revoke",
        path=f"/console/keys/{key_id}/revoke",
        back="/console/keys",
        notes=("It is refused from now on, its sessions and streams end. This cannot be undone.",),
        fields=(Field("reason", "Reason", hint="It stands in the log beside your name."), *((own,) if is_own else ())),
        is_dangerous=True,
        copies=copies(curl(url, "POST", body, needs_key=needs_key), ["key", "revoke", key_id]),
    )
