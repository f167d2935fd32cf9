"""Keywords of our own in the JSON Schemas of payloads, for what a pattern cannot say, or not with a reason.

The task `email.send` uses them: what the API accepts can be mailed.
"""

from collections.abc import Mapping
from typing import Any

from duebook_common.domain.addresses import mailable
from duebook_common.runtime.mail_message import breaks_line


class _Keyword:
    """A check of texts that is switched on by `true` in a schema; jsonschema-rs calls `validate`."""

    def __init__(self, _schema: Mapping[str, Any], value: Any, _path: Any) -> None:
        self._on = value is True

    def validate(self, instance: Any) -> None:
        if self._on and isinstance(instance, str):
            self.check(instance)

    def check(self, text: str) -> None:
        """Raises ValueError with the reason."""
        raise NotImplementedError


class MailAddress(_Keyword):
    def check(self, text: str) -> None:
        mailable(text)


class OneLine(_Keyword):
    def check(self, text: str) -> None:
        if any(map(breaks_line, text)):
            raise ValueError("this must be one line, without line breaks and control characters")


PAYLOAD_KEYWORDS: dict[str, Any] = {"mailAddress": MailAddress, "oneLine": OneLine}
