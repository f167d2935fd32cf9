"""Archives in a bucket that speaks the protocol of S3.

Credentials, region and endpoint come from the variables that other programs use too: `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`; or from the role of the machine.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from duebook_common.archives.errors import TargetUnavailable

if TYPE_CHECKING:
    from obstore.store import RetryConfig

_PART = 1024 * 1024  # bytes
_ROLES = "169.254.169.254"  # answers with the role of a machine
_TIMEOUT = timedelta(minutes=2)  # for one request
_RETRIES: "RetryConfig" = {
    "max_retries": 5,
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=2), "base": 2},
    "retry_timeout": timedelta(seconds=8),  # no try begins later
}
_NO_BUCKET = "<Code>NoSuchBucket</Code>"


class Bucket:
    def __init__(self, url: str) -> None:
        self.address = url
        parts, plain = urlsplit(url), os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        with self._errors():
            self._store = S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                client_options={"timeout": _TIMEOUT, "allow_http": plain},
                retry_config=_RETRIES,
            )

    async def put(self, name: str, content: bytes) -> None:
        with self._errors():
            await obstore.put_async(self._store, name, content)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        with self._errors(FileNotFoundError):
            async for part in (await obstore.get_async(self._store, name)).stream(_PART):
                yield bytes(part)

    async def names(self, under: str = "") -> list[str]:
        with self._errors():
            listed = obstore.list(self._store, under or None)
            return sorted([entry["path"] async for entries in listed for entry in entries])

    async def delete(self, name: str) -> None:
        with suppress(FileNotFoundError), self._errors(FileNotFoundError):
            await obstore.delete_async(self._store, name)

    async def delete_unfinished(self, under: str) -> None:
        """An upload that was not finished is no object; a rule of the bucket drops its parts."""

    @contextmanager
    def _errors(self, *expected: type[OSError]) -> Iterator[None]:
        """Raise TargetUnavailable, or what is `expected` of an object, with one line that names the bucket."""
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            is_expected = isinstance(error, expected) and _NO_BUCKET not in str(error)
            kind = FileNotFoundError if is_expected else TargetUnavailable
            raise kind(f"{self.address}: {_line(str(error))}") from error


def _line(error: str) -> str:
    """What is wrong, and what to do where there is no bucket, or the client looked for the role of the machine."""
    if _NO_BUCKET in error:
        return "the bucket does not exist; create it"
    return error.splitlines()[0] + ("; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" if _ROLES in error else "")
