"""Where archives go: a folder, or a bucket that speaks the protocol of S3."""

from collections.abc import AsyncIterator
from typing import Protocol
from urllib.parse import unquote, urlsplit

from duebook_common.archives.folder import Folder


class Target(Protocol):
    """A place for files, whose names have slashes. `address` is for people.

    Every method raises TargetUnavailable if the place cannot be reached or refuses.
    """

    address: str

    async def put(self, name: str, content: bytes) -> None:
        """Write a file as a whole: afterwards it is there for good, and before it is not. Replaces an older one."""

    def read(self, name: str) -> AsyncIterator[bytes]:
        """The content of a file, in parts. Raises FileNotFoundError."""

    async def names(self, under: str = "") -> list[str]:
        """The names of all files that begin with `under`, the name of a directory with its slash; sorted."""

    async def delete(self, name: str) -> None:
        """Delete a file; one that is missing is deleted."""

    async def delete_unfinished(self, under: str) -> None:
        """Delete what a writer that was killed has left of files that begin with `under`."""


def open_target(url: str) -> Target:
    """The target of DUEBOOK_ARCHIVE_URL: the absolute path of a folder, `file:///…` or `s3://BUCKET/PREFIX`."""
    if url.startswith("s3://"):
        from duebook_common.archives.bucket import Bucket  # noqa: PLC0415 - only this kind of target needs the client

        return Bucket(url)
    return Folder(unquote(urlsplit(url).path) if url.startswith("file://") else url)


async def read_whole(target: Target, name: str) -> bytes | None:
    """The content of a small file, None if it is missing."""
    try:
        return b"".join([part async for part in target.read(name)])
    except FileNotFoundError:
        return None
