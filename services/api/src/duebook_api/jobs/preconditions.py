"""Conditional requests on jobs: `If-Match` and `If-None-Match` (RFC 9110, section 13.1), by the version of the job."""

from typing import NamedTuple, Self

from starlette.requests import Request

from duebook_common.domain.errors import AlreadyExists, StaleVersion
from duebook_common.domain.job.state import Job


class Preconditions(NamedTuple):
    if_match: str | None = None
    if_none_match: str | None = None

    @classmethod
    def of(cls, request: Request) -> Self:
        return cls(request.headers.get("if-match"), request.headers.get("if-none-match"))

    def check(self, job: Job) -> None:
        """Raises StaleVersion if the job's version is not one that the headers admit."""
        if self.if_match is not None and not _names(self.if_match, job.version):
            raise StaleVersion(self.if_match[:100], job.version)
        if self.if_none_match is not None and _names(self.if_none_match, job.version):
            raise AlreadyExists(job.version)


def _names(header: str, version: int) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or f'"{version}"' in tags
