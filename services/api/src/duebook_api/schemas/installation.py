"""Schemas of the answers about the installation: who asks, keys, services, executors, tasks and mails."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel


class Whoami(BaseModel):
    """Who asks, and what the key may do."""

    actor: str
    key_id: str | None
    name: str
    scopes: list[str]
    expires_at: AwareDatetime | None
    auth: Literal["required", "off"]
