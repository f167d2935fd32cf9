"""What the OpenAPI page says of bodies, queries and problems; of answers the routes say it with `answers`."""

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
    """Name the scope to programs and to people, whose page shows none for keys like ours."""
    operation["security"] = [{"key": [scope]}]
    operation["description"] = "\n\n".join([*filter(None, [operation.get("description")]), f"Scope: `{scope}`"])
    operation["responses"]["401"] = _problem("There is no key, or none that is known")
    operation["responses"]["403"] = _problem(f"The key does not have the scope `{scope}`")


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def openapi(app: FastAPI) -> dict[str, Any]:
    """The description of the whole API, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _, definitions = models_json_schema(
            [(body, "validation") for body in _BODIES],
            ref_template="#/components/schemas/{model}",
            schema_generator=_BodySchema,
        )
        components = made.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas.update(definitions["$defs"], Problem=_PROBLEM)
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for operations in made["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)  # the framework's own, which nobody is ever answered with
                operation["responses"]["default"] = _problem("A problem (RFC 9457)")
                _secure(operation, operation.pop(NEEDS, Scope.ALL))
        app.openapi_schema = made
    return app.openapi_schema
