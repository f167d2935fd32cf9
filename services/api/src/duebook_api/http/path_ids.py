"""Ids in paths: UUIDs in their canonical form. Any other text names nothing and is answered with 404 (see `app`).

A job is also named by `key:` and its key, which `jobs/keys.py` replaces by the id.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, WithJsonSchema

UUID_TEXT = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
KEY_PREFIX = "key:"
JOB_KEY = r"[A-Za-z0-9][A-Za-z0-9._:@+~-]{0,199}"
JOB_REFERENCE = rf"^({UUID_TEXT[1:-1]}|{KEY_PREFIX}{JOB_KEY})$"
_UUID = re.compile(UUID_TEXT.strip("^$"))


def _canonical_uuid(text: Any) -> UUID:
    if not _UUID.fullmatch(text):
        raise ValueError("not a UUID")
    return UUID(text)


def is_id(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def are_ids(parameters: Mapping[str, Any]) -> bool:
    """Whether the ids among the parameters of a path can name something: `/job/batch` has no id `batch`."""
    ids = [parameters[name] for name in ("run_id", "bulk_id") if name in parameters]
    job = parameters.get("job_id", KEY_PREFIX)
    return all(map(is_id, ids)) and (is_id(job) or job.startswith(KEY_PREFIX))


PathId = Annotated[UUID, BeforeValidator(_canonical_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
# After `jobs/keys.py` has replaced a key by the id.
PathJobId = Annotated[
    UUID, BeforeValidator(_canonical_uuid), WithJsonSchema({"type": "string", "pattern": JOB_REFERENCE})
]
