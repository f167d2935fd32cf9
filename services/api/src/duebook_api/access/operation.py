"""The `openapi_extra` of a route: the scope that it needs, its body, query parameters and headers.

The scope is checked by `permits.permitted`, which `app.build` installs for every route.
"""

from typing import Any

from pydantic import BaseModel

from duebook_api.access.permits import NEEDS
from duebook_common.runtime.scopes import Scope

_IDEMPOTENCY_KEY = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255}}
_RESUME = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}}
_MATCH = [{"name": name, "in": "header", "schema": {"type": "string"}} for name in ("If-Match", "If-None-Match")]


def operation(  # noqa: PLR0913 - one parameter for each part of an operation
    scope: Scope | str,
    body: type[BaseModel] | None = None,
    *,
    query: type[BaseModel] | None = None,
    idempotent: bool = False,
    match: bool = False,
    required: bool = True,
    patch: bool = False,
    resume: bool = False,
) -> dict[str, Any]:
    """The `openapi_extra` of a route. `idempotent`, `match` and `resume` add request headers."""
    extra: dict[str, Any] = {NEEDS: scope}
    if body is not None:
        schema = {"type": "object"} if patch else {"$ref": f"#/components/schemas/{body.__name__}"}
        media_type = "application/merge-patch+json" if patch else "application/json"
        extra["requestBody"] = {"required": required, "content": {media_type: {"schema": schema}}}
    headers = [
        *([_IDEMPOTENCY_KEY] if idempotent else []),
        *(_MATCH if match else []),
        *([_RESUME] if resume else []),
    ]
    parameters = [*headers, *(_parameters(query) if query else [])]
    return extra | ({"parameters": parameters} if parameters else {})


def _parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    properties = query.model_json_schema().get("properties", {})
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
