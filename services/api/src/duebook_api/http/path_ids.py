"""Ids in paths: UUIDs in their canonical form. Any other text names nothing and is answered with 404 (see `app`)."""

import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, WithJsonSchema

UUID_TEXT = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_UUID = re.compile(UUID_TEXT.strip("^$"))


def _canonical_uuid(text: Any) -> UUID:
    if not _UUID.fullmatch(text):
        raise ValueError("not a UUID")
    return UUID(text)


PathId = Annotated[UUID, BeforeValidator(_canonical_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
