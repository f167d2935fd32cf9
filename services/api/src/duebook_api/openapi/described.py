"""A description in one or two sentences, and an example that the schema admits."""

from typing import Any, Final

Described = tuple[str, Any]
COMPOSED: Final = object()  # instead of an example: put together from those of the parts
