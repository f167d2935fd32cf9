"""The OpenAPI document."""

from typing import Any, cast

import httpx2
import pytest

from duebook_api.app import build
from duebook_api.schemas.bodies import JobBody
from duebook_api.state.dependencies import Dependencies
from duebook_common.runtime.health import Health


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
