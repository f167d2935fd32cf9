"""The OpenAPI document."""

from collections.abc import Iterator
from typing import Any, cast

import httpx2
import jsonschema_rs
import pytest

from duebook_api.app import build
from duebook_api.schemas.bodies import JobBody
from duebook_api.state.dependencies import Dependencies
from duebook_common.runtime.health import Health
from duebook_common.runtime.scopes import MEANINGS, Scope


@pytest.fixture
async def document() -> dict[str, Any]:
    """The document of an api that is connected to no server."""
    app = build(cast("Dependencies", None), Health(), None)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:
        answer = await http.get("/api/openapi.json")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def defaults(document: dict[str, Any], schema: str) -> dict[str, Any]:
    properties = document["components"]["schemas"][schema]["properties"]
    return {name: value["default"] for name, value in properties.items() if value.get("default") is not None}


async def test_the_stream_of_events_is_described_as_one(document: dict[str, Any]) -> None:
    stream = document["paths"]["/api/events/stream"]["get"]["responses"]["200"]
    assert list(stream["content"]) == ["text/event-stream"]


async def test_the_key_is_described_with_each_scope(document: dict[str, Any]) -> None:
    lines = document["components"]["securitySchemes"]["key"]["description"].splitlines()
    assert lines[2:] == [f"* `{scope}`: {MEANINGS[scope]}" for scope in Scope]


async def test_the_defaults_that_are_described_are_accepted(document: dict[str, Any]) -> None:
    job = defaults(document, "JobBody")
    assert defaults(document, "CatchUpBody")["window"] == job["catch_up"]["window"] == "P365D"
    nested = {
        "catch_up": defaults(document, "CatchUpBody"),
        "backoff": defaults(document, "BackoffBody"),
        "dst": defaults(document, "DstBody"),
    }
    for described in (job, nested):
        assert JobBody.model_validate({"name": "a job", **described}) == JobBody(name="a job")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        yield from ((f"{method.upper()} {path}", operation) for method, operation in methods.items())


def answers(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for call, operation in operations(document):
        yield from ((f"{call} {status}", answer) for status, answer in operation["responses"].items())


def contents(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The bodies of requests and answers."""
    for call, operation in operations(document):
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{call} {kind}", content
    for name, answer in answers(document):
        yield from ((f"{name} {kind}", content) for kind, content in answer.get("content", {}).items())


def is_described(value: dict[str, Any]) -> bool:
    return len(value.get("description", "")) > 3 and value["description"] != "Successful Response"


async def test_every_object_and_field_has_a_description_and_an_example(document: dict[str, Any]) -> None:
    """The words stand in `duebook_api/openapi`, in `fields.py`, `job_fields.py` and `schemas.py`."""
    bare = [name for name, schema in document["components"]["schemas"].items() if not is_described(schema)]
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            if not is_described(described) or not (described.keys() & {"examples", "$ref", "items", "anyOf"}):
                bare.append(f"{name}.{field}")
    assert bare == []


async def test_every_parameter_and_operation_has_a_description_and_an_example(document: dict[str, Any]) -> None:
    """The words stand in `duebook_api/openapi/parameters.py`; those of an operation are its docstring."""
    bare = [call for call, operation in operations(document) if not is_described(operation)]
    for call, operation in operations(document):
        bare += [
            f"{call} {parameter['name']}"
            for parameter in operation.get("parameters", [])
            if not is_described(parameter) or "example" not in parameter
        ]
    assert bare == []


async def test_every_answer_and_body_has_a_description_and_an_example(document: dict[str, Any]) -> None:
    bare = [name for name, answer in answers(document) if not is_described(answer)]
    bare += [name for name, content in contents(document) if content.get("example") is None]
    assert bare == []


async def test_every_example_is_valid_by_its_schema(document: dict[str, Any]) -> None:
    def faults(schema: dict[str, Any], value: Any) -> list[str]:
        whole = {"components": document["components"], **schema}
        return [error.message for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(value)]

    found = {}
    for name, schema in document["components"]["schemas"].items():
        found[name] = faults(schema, schema["examples"][0])
        for field, described in schema.get("properties", {}).items():
            found[f"{name}.{field}"] = [e for value in described.get("examples", []) for e in faults(described, value)]
    for call, operation in operations(document):
        for each in operation.get("parameters", []):
            found[f"{call} {each['name']}"] = faults(each["schema"], each["example"])
    for name, content in contents(document):
        if "json" in name:
            found[name] = faults(content["schema"], content["example"])
    assert {name: messages for name, messages in found.items() if messages} == {}


async def test_the_answers_to_too_many_requests_say_when_to_come_again(document: dict[str, Any]) -> None:
    for call, operation in operations(document):
        assert "Retry-After" in operation["responses"]["429"]["headers"], call
