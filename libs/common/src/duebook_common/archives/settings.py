"""The settings about archives: of the scheduler, and of `duebook archive`."""

import os
import re
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from duebook_common.domain.retention import MAX_RETENTION
from duebook_common.runtime.bounds import Bounds
from duebook_common.runtime.durations import Duration
from duebook_common.runtime.settings import Settings

Retention = Annotated[Duration, AfterValidator(Bounds(timedelta(hours=1), MAX_RETENTION))]

_BUCKET = re.compile(r"[A-Za-z0-9._-]+")


def _address(url: str) -> str:
    if url.startswith("s3://"):
        if _BUCKET.fullmatch(urlsplit(url).netloc) is None:
            raise ValueError("name the bucket, like s3://bucket/duebook")
        endpoint = os.environ.get("AWS_ENDPOINT_URL")
        if endpoint and not endpoint.startswith(("https://", "http://")):
            raise ValueError("AWS_ENDPOINT_URL is no address of a server; write it like https://s3.example.com")
        if endpoint and "@" in endpoint:  # errors name the address
            raise ValueError("AWS_ENDPOINT_URL has a user or a password; give AWS_ACCESS_KEY_ID instead")
        return url
    if not PurePosixPath(unquote(urlsplit(url).path) if url.startswith("file://") else url).is_absolute():
        raise ValueError("write the absolute path of a folder, like /var/lib/duebook, or s3://bucket/duebook")
    return url


class ArchiveSettings(Settings):
    """What every program needs that writes or reads archives."""

    retention: Retention | None = None
    """How long runs stay in the database after the end of the period in which they were opened. Without it they stay
    for ever. With it `DUEBOOK_ARCHIVE_URL` is needed: a period leaves once its archive is written."""
    archive_url: Annotated[str, AfterValidator(_address)] | None = Field(None, validate_default=True)
    """Where archives are written: the absolute path of a folder that exists, or `s3://bucket/prefix`, with credentials
    in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` and, for other servers, `AWS_ENDPOINT_URL`."""

    @field_validator("archive_url")
    @classmethod
    def _needed_by_retention(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None and info.data.get("retention") is not None:
            raise ValueError("DUEBOOK_RETENTION needs it; set it to a folder or a bucket, like s3://bucket/duebook")
        return url
