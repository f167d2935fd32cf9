"""Request schemas of keys."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from duebook_api.http.fields import Body, Matches, Positive, Reason
from duebook_common.runtime.scopes import Scope

_LONGEST = timedelta(days=36_500)  # PostgreSQL stores later times than Python can read


def _bounded(lifetime: timedelta) -> timedelta:
    if lifetime > _LONGEST:
        raise ValueError(f"a key is valid for P{_LONGEST.days}D at most; leave this out for one that does not expire")
    return lifetime


def _known(scope: str) -> str:
    if scope not in set(Scope):
        raise ValueError(f"this is no scope; there are {', '.join(Scope)}")
    return scope


class KeyBody(Body):
    """A key to be made."""

    name: Annotated[str, Field(min_length=1, max_length=200), Matches(r"\S", "a name must not be blank")]
    scopes: Annotated[list[Annotated[str, AfterValidator(_known)]], Field(min_length=1, max_length=len(Scope))]
    expires_in: Annotated[Positive, AfterValidator(_bounded)] | None = None


class RevokeBody(Body):
    """The revocation of a key."""

    reason: Reason | None = None
    own: bool = False
