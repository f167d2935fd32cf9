"""Tasks that put what their payload says wherever a task can, and that fail, hang or succeed by it."""

import asyncio
from typing import Literal

from pydantic import BaseModel

from duebook.context import Context
from duebook.errors import Fail
from duebook.tasks import task


class Secret(BaseModel):
    """`text` is what is to be found nowhere after an erasure."""

    text: str
    end: Literal["succeeds", "fails", "raises", "hangs", "unstorable"] = "succeeds"


@task("secret")
async def secret(payload: Secret, context: Context) -> dict[str, str]:
    context.log(f"line {payload.text}", to=payload.text)
    context.progress(0.5, f"progress {payload.text}")
    context.checkpoint({"to": payload.text})
    match payload.end:
        case "fails":
            raise Fail(f"failure {payload.text}", retry=False)
        case "raises":
            raise ValueError(f"error {payload.text}")
        case "hangs":
            await _hang(payload.text)
        case "unstorable":
            context.checkpoint({"to": f"\0{payload.text}"})
            raise Fail(f"unstorable\0{payload.text}", retry=False)
    return {"sent": payload.text}


async def _hang(text: str) -> None:
    """Ignore the end of the timeout, and raise later."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(1)
        raise ValueError(f"late {text}") from None
