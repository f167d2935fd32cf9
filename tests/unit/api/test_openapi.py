"""The OpenAPI document."""

from typing import cast

import httpx2

from duebook_api.app import build
from duebook_api.schemas.bodies import JobBody
from duebook_api.state.dependencies import Dependencies
from duebook_common.runtime.service import Health


async def test_the_document_is_made_without_any_server() -> None:
    app = build(cast("Dependencies", None), Health(), None)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://api") as http:
        answer = await http.get("/api/openapi.json")
    assert answer.status_code == 200, answer.text
    stream = answer.json()["paths"]["/api/events/stream"]["get"]["responses"]["200"]
    assert list(stream["content"]) == ["text/event-stream"]


def test_the_defaults_that_are_described_are_accepted() -> None:
    described = JobBody.model_json_schema()
    defaults = {
        name: {field: value["default"] for field, value in schema["properties"].items() if value.get("default")}
        for name, schema in described["$defs"].items()
        if "properties" in schema
    }
    assert defaults["CatchUpBody"]["window"] == "P365D"
    body = {"catch_up": defaults["CatchUpBody"], "backoff": defaults["BackoffBody"], "dst": defaults["DstBody"]}
    assert JobBody.model_validate({"name": "a job", **body}) == JobBody(name="a job")
