"""Pauses and resumes while services are killed: nothing starts in a pause, and nothing is lost."""

from datetime import datetime, timedelta
from typing import Any

import httpx2

from duebook_devstack.plain_http import WITHOUT_TLS
from support.fleet import Platform, eventually
from support.load import Load, launch, mix

_STARTED = """
SELECT count(*) AS starts FROM events e JOIN runs ON e.stream = 'run-' || runs.run_id
WHERE e.type = 'AttemptStarted' AND runs.queue = 'default' AND e.recorded_at > $1
"""
_DUE = "SELECT count(*) AS runs FROM runs WHERE status IN ('dispatched', 'retrying') AND wake_at <= now()"
_MARGIN = timedelta(milliseconds=100)  # a start that was committed before the pause may bear a slightly later time


def command(platform: Platform, path: str) -> dict[str, Any]:
    """Again while the api says that attempts are being started all the time."""
    with httpx2.Client(base_url=platform["api", 0].url, timeout=60, trust_env=False, verify=WITHOUT_TLS) as api:

        def done() -> dict[str, Any] | None:
            answer = api.post(path, json={"reason": "the provider is down"})
            return None if answer.status_code == 503 else answer.raise_for_status().json()

        return eventually(done)


def starts_since(load: Load, pause: dict[str, Any]) -> int:
    [row] = load.query(_STARTED, datetime.fromisoformat(pause["since"]) + _MARGIN)
    starts: int = row["starts"]
    return starts


def test_kills_around_pauses_start_nothing_in_them_and_lose_nothing(platform: Platform) -> None:
    load = Load(platform)
    launch(platform, api=1, scheduler=1, executor=2)
    with load.submitting(mix(100), mix(100)):
        eventually(lambda: load.events("AttemptStarted"))
        pause = command(platform, "/api/queue/default/pause")["pause"]
    platform["scheduler", 0].kill()
    platform["executor", 0].kill()
    assert starts_since(load, pause) == 0
    launch(platform, scheduler=1, executor=1)
    eventually(lambda: load.query(_DUE)[0]["runs"] == 0)  # the new scheduler called back what had been sent
    assert starts_since(load, pause) == 0
    command(platform, "/api/queue/default/resume")
    eventually(lambda: starts_since(load, pause) > 0)
    freeze = command(platform, "/api/freeze")["freeze"]
    platform["scheduler", 1].kill()
    assert starts_since(load, freeze) == 0
    command(platform, "/api/thaw")  # no scheduler sees the resume
    launch(platform, scheduler=1)
    load.check()
