"""Lists that are read page after page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from duebook.client.models import Model
from duebook.client.steps import Call, send
from duebook.client.wire import Request

ModelT = TypeVar("ModelT", bound=Model)
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Listing(Generic[ModelT]):
    """A list of the API: its path, its filters, the type of its items and how many are wanted at most."""

    path: str
    filters: Mapping[str, Any]
    model: type[ModelT]
    limit: int | None = None

    def page(self, cursor: str | None, left: int | None) -> Call[tuple[list[ModelT], str | None]]:
        """The items of the page that begins at the cursor, and the cursor of the next one."""
        size = _PAGE if left is None else min(left, _PAGE)
        query = {**self.filters, "limit": size, "cursor": cursor}
        return send(Request("GET", self.path, query), self._items)

    def _items(self, page: Any) -> tuple[list[ModelT], str | None]:
        return [self.model.model_validate(item) for item in page["items"]], page["next_cursor"]
