"""`duebook events`. Against a real api and database."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from support.fleet import Platform, eventually
from support.program import Program


def test_events_tail_continues_after_a_restart_of_the_api(postgres_url: str, redis_url: str) -> None:
    urls = {"DUEBOOK_POSTGRES_URL": postgres_url, "DUEBOOK_REDIS_URL": redis_url}
    with Platform({**urls, "DUEBOOK_AUTH": "off"}) as platform:
        (api,) = platform.start("api")
        duebook = Program({"DUEBOOK_URL": api.url})
        first = duebook.job("first")["id"]
        with duebook.started("events", "tail", "--from-start", "--interval", "0.1s") as following:
            assert following.stdout
            assert following.stderr
            assert f"job-{first}  JobCreated" in following.stdout.readline()
            api.kill()
            assert "; retrying" in following.stderr.readline()
            api.start()
            api.await_ready()
            second = duebook.job("second")["id"]
            assert f"job-{second}  JobCreated" in following.stdout.readline()
            following.send_signal(signal.SIGINT)
            assert following.wait(60) == 130
            assert following.stderr.read() == ""


def test_events_tail_starts_now_or_at_a_position(duebook: Program) -> None:
    duebook.job("before")
    with duebook.started("events", "tail", "--interval", "0.1s", "-o", "json") as following:
        assert following.stdout
        with ThreadPoolExecutor(1) as thread:
            # Events before its first request are not printed, so create jobs until one is printed.
            # Other tests' transactions on the same server may hold back the job that was created before.
            lines = map(json.loads, iter(following.stdout.readline, ""))
            found = thread.submit(lambda: next(event for event in lines if _creates(event, "after")))
            eventually(lambda: bool(duebook.job("after")) and found.done(), 30)
        event = found.result()
        following.send_signal(signal.SIGINT)
    with duebook.started("events", "tail", "--after", event["position"], "--interval", "0.1s", "-o", "json") as again:
        assert again.stdout
        job_id = duebook.job("last")["id"]
        events = iter(lambda: json.loads(again.stdout.readline()), None)  # type: ignore[union-attr]
        assert next(event for event in events if event["stream"] == f"job-{job_id}")["version"] == 1
        again.send_signal(signal.SIGINT)
    wrong = duebook("events", "tail", "--after", "yesterday")
    assert (wrong.exit_code, "not the position of an event" in wrong.stderr) == (1, True)
    assert duebook("events", "tail", "--after", event["position"], "--from-start").exit_code == 2


def test_events_tail_prints_only_what_its_filters_want(duebook: Program) -> None:
    first, second = duebook.job("first")["id"], duebook.job("second")["id"]
    for job_id in (first, second):
        assert duebook("job", "pause", job_id).exit_code == 0
    filters = ("--job", "second", "--type", "JobPaused", "--actor", "key:first")
    with duebook.started("events", "tail", "--from-start", "--interval", "0.1s", *filters) as following:
        assert following.stdout
        assert f"job-{second}  JobPaused" in following.stdout.readline()
        following.send_signal(signal.SIGINT)


def _creates(event: Any, name: str) -> bool:
    return bool(event["type"] == "JobCreated" and event["data"]["definition"]["name"] == name)
