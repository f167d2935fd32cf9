"""The OpenAPI document. FastAPI describes the answers (`schemas.answers`); this module adds the rest."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from duebook_api.access.permits import NEEDS
from duebook_api.schedules.forecast.bodies import ForecastBody
from duebook_api.schemas import bodies, schedules, views
from duebook_common.runtime.scopes import Scope

_BODIES: list[type[BaseModel]] = [
    bodies.JobBody,
    bodies.BatchBody,
    bodies.ReasonBody,
    bodies.MustReasonBody,
    bodies.TriggerBody,
    bodies.BackfillBody,
    bodies.RedriveBody,
    bodies.RedriveManyBody,
    schedules.PreviewBody,
    ForecastBody,
]
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "instance", "code")},
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


class _BodySchema(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        """Durations as answers have them; pydantic writes 365 days as `P1Y`, which the api refuses."""
        return super().encode_default(views.jsonable(dft))


def _secure(operation: dict[str, Any], scope: str) -> None:
    """Name the scope as a security requirement and in the description: the page shows no scopes of bearer keys."""
    operation["security"] = [{"key": [scope]}]
    operation["description"] = "\n\n".join([*filter(None, [operation.get("description")]), f"Scope: `{scope}`"])
    operation["responses"]["401"] = _problem("The key is missing or unknown")
    operation["responses"]["403"] = _problem(f"The key lacks the scope `{scope}`")


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def openapi(app: FastAPI) -> dict[str, Any]:
    """The document, which is made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _, definitions = models_json_schema(
            [(body, "validation") for body in _BODIES],
            ref_template="#/components/schemas/{model}",
            schema_generator=_BodySchema,
        )
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas.update(definitions["$defs"], Problem=_PROBLEM)
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)  # FastAPI's own validation error, which is never sent
                operation["responses"]["default"] = _problem("A problem (RFC 9457)")
                _secure(operation, operation.pop(NEEDS, Scope.ALL))
        app.openapi_schema = document
    return app.openapi_schema
