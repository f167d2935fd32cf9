"""The `openapi_extra` of a route: the scope that it needs, its body, query parameters and headers."""

from typing import Any

from pydantic import BaseModel

from duebook_api.access.permits import NEEDS
from duebook_common.runtime.scopes import Scope

_KEY = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255}}
_RESUME = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}}
_MATCH = {"name": "If-Match", "in": "header", "schema": {"type": "string"}}


def operation(  # noqa: PLR0913 - one parameter for each part of an operation
    scope: Scope,
    body: type[BaseModel] | None = None,
    *,
    query: type[BaseModel] | None = None,
    key: bool = False,
    match: bool = False,
    required: bool = True,
    patch: bool = False,
    resume: bool = False,
) -> dict[str, Any]:
    """The `openapi_extra` of a route, whose scope `permits` checks. `key`, `match` and `resume` add request headers."""
    extra: dict[str, Any] = {NEEDS: scope}
    if body is not None:
        schema = {"type": "object"} if patch else {"$ref": f"#/components/schemas/{body.__name__}"}
        media_type = "application/merge-patch+json" if patch else "application/json"
        extra["requestBody"] = {"required": required, "content": {media_type: {"schema": schema}}}
    headers = [*([_KEY] if key else []), *([_MATCH] if match else []), *([_RESUME] if resume else [])]
    parameters = [*headers, *(_parameters(query) if query else [])]
    return extra | ({"parameters": parameters} if parameters else {})


def _parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    properties = query.model_json_schema().get("properties", {})
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
