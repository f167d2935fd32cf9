"""Identifiers in paths: UUIDs as they are usually written; anything else names nothing."""

import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, WithJsonSchema

UUID_TEXT = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_UUID = re.compile(UUID_TEXT.strip("^$"))


def _usual(text: Any) -> UUID:
    if not _UUID.fullmatch(text):
        raise ValueError("not a UUID")
    return UUID(text)


# A wrong one in a path is answered with 404: see `app`.
PathId = Annotated[UUID, BeforeValidator(_usual), WithJsonSchema({"type": "string", "format": "uuid"})]
