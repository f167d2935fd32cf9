"""Schedules by themselves, without a job."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.docs import takes
from duebook_api.parts import parts
from duebook_api.previewing import preview
from duebook_api.replies import reply
from duebook_api.requests import read_json, validated
from duebook_api.schedules import PreviewBody, must_name_a_time

router = APIRouter(prefix="/api/schedule", tags=["schedules"])


@router.post("/preview", openapi_extra=takes(PreviewBody))
async def preview_schedule(request: Request) -> Response:
    """The next nominal times of a schedule, what it says in words, and notes on changes of the clocks."""
    value, _ = await read_json(request)
    body, now = validated(PreviewBody, value), parts(request).clock.now()
    definition = body.definition(now)
    must_name_a_time(definition)
    return reply(preview(definition, body.after or now, body.count))
