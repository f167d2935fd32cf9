"""Ids of jobs that follow from an Idempotency-Key. They are of version 8, and PUT creates no job with such an id.

Otherwise a client that knows or guesses the Idempotency-Key of another one could take the id before it.
"""

from uuid import UUID

from duebook_api.http.problems import Fault, invalid
from duebook_common.domain.ids import uuid5, uuid8

_NAMESPACE = UUID("6f0d7a0e-3c0b-5d0e-9a53-2f6f2b1f5c11")


def derived_id(name: str) -> UUID:
    return uuid8(uuid5(_NAMESPACE, name).bytes)


def must_be_free_to_choose(job_id: UUID) -> None:
    """Raises Problem 422 for an id that a POST may derive."""
    if job_id.version == 8:
        raise invalid(
            Fault("/id", "UUIDs of version 8 are chosen by the server; send one of another version, like 4 or 7")
        )
