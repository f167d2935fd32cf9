"""Archives in a bucket that speaks the protocol of S3.

Credentials, region and endpoint come from the variables that other programs use too: `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`; or from the role of the machine.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from duebook_common.archives.errors import TargetUnavailable

_PART = 1024 * 1024  # bytes
_ROLES = "169.254.169.254"  # answers with the role of a machine
_TIMEOUT = timedelta(minutes=2)  # for one request


class Bucket:
    def __init__(self, url: str) -> None:
        self.address = url
        parts, plain = urlsplit(url), os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        with self._errors():
            self._store = S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                client_options={"timeout": _TIMEOUT, "allow_http": plain},
            )

    async def put(self, name: str, content: bytes) -> None:
        with self._errors():
            await obstore.put_async(self._store, name, content)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        with self._errors():
            async for part in (await obstore.get_async(self._store, name)).stream(_PART):
                yield bytes(part)

    async def names(self, under: str = "") -> list[str]:
        with self._errors():
            listed = obstore.list(self._store, under or None)
            return sorted([entry["path"] async for entries in listed for entry in entries])

    async def delete(self, name: str) -> None:
        with self._errors(), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, name)

    async def delete_unfinished(self, under: str) -> None:
        """An upload that was not finished is no object; a rule of the bucket drops its parts."""

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise TargetUnavailable or FileNotFoundError, with one line that names the bucket."""
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            kind = FileNotFoundError if isinstance(error, FileNotFoundError) else TargetUnavailable
            raise kind(f"{self.address}: {str(error).splitlines()[0]}{_remedy(str(error))}") from error


def _remedy(error: str) -> str:
    """What to do where the client found no credentials and looked for the role of the machine."""
    return "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" if _ROLES in error else ""
