"""The OpenAPI document. FastAPI describes the answers (`schemas.answers`); this module adds the rest.

Its page is the reference of the API: a test fails for a field, a parameter or an answer without words and example.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from duebook_api.access.permits import ANY_KEY, NEEDS
from duebook_api.keys.bodies import KeyBody, RevokeBody
from duebook_api.openapi.described import COMPOSED
from duebook_api.openapi.examples import Schema, example_of
from duebook_api.openapi.fields import field
from duebook_api.openapi.parameters import PARAMETERS
from duebook_api.openapi.schemas import BODIES, MERGE_PATCH, SCHEMAS
from duebook_api.schedules.forecast.bodies import ForecastBody
from duebook_api.schemas import bodies, bulk, schedules, views
from duebook_common.runtime.scopes import MEANINGS, Scope

_BODIES: list[type[BaseModel]] = [
    KeyBody,
    RevokeBody,
    bodies.JobBody,
    bodies.BatchBody,
    bodies.ReasonBody,
    bodies.PauseBody,
    bodies.MustReasonBody,
    bodies.TriggerBody,
    bodies.BackfillBody,
    bodies.RedriveBody,
    bodies.RedriveManyBody,
    bulk.BulkBody,
    schedules.PreviewBody,
    ForecastBody,
]
_PROBLEM: Schema = {
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
_SCOPES_TEXT = "\n".join(["A scope lets a key", "", *(f"* `{scope}`: {text}" for scope, text in MEANINGS.items())])
_EVENT_STREAM = 'id: 758-2-94d24dc0\nevent: JobPaused\ndata: {"position":"758-2-94d24dc0","stream":"job-…"}\n\n'
_UNNAMED = "Successful Response"  # FastAPI's description of an answer without one


class _BodySchema(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        """Durations as answers have them; pydantic writes 365 days as `P1Y`, which the api refuses."""
        return super().encode_default(views.jsonable(dft))


def openapi(app: FastAPI) -> Schema:
    """The document, which is made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        _add_schemas(schemas)
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": _SCOPES_TEXT}}
        for method, path, operation in _operations(document):
            _describe_parameters(f"{method.upper()} {path}", operation)
            _describe_body(operation)
            _describe_answers(operation, schemas)
            _secure(operation, operation.pop(NEEDS, Scope.ALL))
        app.openapi_schema = document
    return app.openapi_schema


def _operations(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, operations in document["paths"].items():
        yield from ((method, path, operation) for method, operation in operations.items())


def _add_schemas(schemas: Schema) -> None:
    """Add the request bodies and the problem, and describe all fields."""
    _, definitions = models_json_schema(
        [(body, "validation") for body in _BODIES],
        ref_template="#/components/schemas/{model}",
        schema_generator=_BodySchema,
    )
    schemas.update(definitions["$defs"], Problem=_PROBLEM)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for name, schema in schemas.items():
        _describe_schema(name, schema)
    for name, schema in schemas.items():
        schema["examples"] = [BODIES[name] if name in BODIES else example_of(schema, schemas)]


def _describe_schema(name: str, schema: Schema) -> None:
    wrapper, _, item = name.strip("_").partition("_")
    if item:  # Page_Job_
        schema["description"] = f"{'A page' if wrapper == 'Page' else 'A list'} of {item}."
    schema.setdefault("description", SCHEMAS.get(name, ""))
    for each, described in schema.get("properties", {}).items():
        words = field(name, each)
        if words is None:
            continue
        described.setdefault("description", words[0])
        if words[1] is not COMPOSED:
            described.setdefault("examples", [words[1]])


def _describe_parameters(call: str, operation: Schema) -> None:
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        words = PARAMETERS.get(f"{call} {name}") or PARAMETERS.get(name)
        if words is not None:
            parameter["description"], parameter["example"] = words


def _describe_body(operation: Schema) -> None:
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        content["example"] = MERGE_PATCH if "merge-patch" in kind else BODIES.get(name)


def _describe_answers(operation: Schema, schemas: Schema) -> None:
    answers = operation["responses"]
    answers.pop("422", None)  # FastAPI's own validation error, which is never sent
    for status, answer in answers.items():
        for kind, content in answer.get("content", {}).items():
            schema = content.get("schema", {})
            content["example"] = example_of(schema, schemas) if "json" in kind else _EVENT_STREAM
            if answer["description"] == _UNNAMED:
                answer["description"] = _title(schema, schemas)
        if status == "204":
            answer["description"] = "Done; there is no body."
    answers["429"] = _problem("More requests than the key may send") | {"headers": _RETRY_AFTER}
    answers["default"] = _problem("A problem (RFC 9457)")


_RETRY_AFTER = {
    "Retry-After": {"description": "Come again after so many seconds.", "schema": {"type": "integer"}, "example": 3}
}


def _title(schema: Schema, schemas: Schema) -> str:
    """The first sentence about the schema that an answer has."""
    target = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    return str(target.get("description", "")).partition("\n")[0] or "Server-sent events."


def _secure(operation: Schema, scope: str) -> None:
    """Name the scope as a security requirement and in the description: the page shows no scopes of bearer keys."""
    operation["responses"]["401"] = _problem("The key is missing or unknown")
    if scope == ANY_KEY:
        operation["security"] = [{"key": []}]
        operation["responses"]["403"] = _problem("Without keys: the call came from elsewhere")
        return
    operation["security"] = [{"key": [scope]}]
    operation["description"] = "\n\n".join([*filter(None, [operation.get("description")]), f"Scope: `{scope}`"])
    operation["responses"]["403"] = _problem(f"The key lacks the scope `{scope}`")


def _problem(description: str) -> Schema:
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {"schema": schema, "example": {name: _problem_example(name) for name in _PROBLEM["required"]}}
    return {"description": description, "content": {"application/problem+json": content}}


def _problem_example(name: str) -> Any:
    words = field("Problem", name)
    assert words is not None
    return words[1]
