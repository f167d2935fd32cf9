"""Answers of the API, as a client gets them, and a world without network that gives them."""

import json
from typing import Any

from duebook.client.steps import Answer, Call, Retries, Sleep, effects
from duebook.client.wire import Request, Response
from support.job_defaults import DEFAULTS

_ID, _RUN = "01a2b3c4-0000-7000-8000-000000000000", "01a2b3c4-0000-7000-8000-000000000001"
_TIME = "2026-11-24T01:00:00Z"

JOB: dict[str, Any] = {
    "id": _ID,
    "name": "nightly",
    "scheduled_at": _TIME,
    **DEFAULTS,
    "status": "active",
    "next_due_at": _TIME,
    "created_at": _TIME,
    "updated_at": _TIME,
    "version": 1,
    "warnings": [],
}


def run_answer(status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": _RUN,
        "job_id": _ID,
        "job_name": "nightly",
        "job_version": 1,
        "task": "log",
        "nominal_at": _TIME,
        "due_at": _TIME,
        "status": status,
        "attempt": 1,
        "failures": 0,
        "max_attempts": 4,
        "queue": "default",
        "executor": None,
        "started_at": None,
        "finished_at": None,
        "error": None,
        "result": None,
        "trigger": "schedule",
        **fields,
    }


class World:
    """Performs steps with these answers, and a clock that only sleeping moves."""

    def __init__(self, *answers: Answer, seconds: float = 30) -> None:
        self._answers = iter(answers)
        self.now = 0.0
        self.slept: list[float] = []
        self.sent: list[Request] = []
        self._retries = Retries(seconds, lambda: self.now, lambda: 0.999_999)

    def perform(self, call: Call[Any]) -> Any:
        steps, answer = effects(call, self._retries), None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return end.value
            answer = self._answer(step)

    def _answer(self, step: Request | Sleep) -> Answer:
        if isinstance(step, Sleep):
            self.slept.append(round(step.seconds, 3))
            self.now += step.seconds
            return None
        self.sent.append(step)
        return next(self._answers)


def ok(value: Any) -> Response:
    return Response(200, json.dumps(value).encode())


def problem(status: int, code: str = "code", retry_after: str | None = None) -> Response:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Response(status, json.dumps({"code": code, "detail": "…"}).encode(), headers)
