"""Every command of every runbook, done on running services in the situation that it is for."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import asyncpg

from support.documents import ROOT
from support.fleet import Platform, eventually
from support.program import FUTURE, Program

RUNBOOKS = sorted((ROOT / "deploy/runbooks").glob("*.md"))
# These need a cluster, an account of the broker, or a program that this machine may lack.
ELSEWHERE = ("kubectl", "docker", "rabbitmq-diagnostics", "rabbitmqctl")
PROGRAMS = ("duebook ", "curl ", "redis-cli ", "GET /", "SELECT ", *(f"{name} " for name in ELSEWHERE))


def commands(path: Path) -> Iterator[str]:
    """The complete commands in the code spans of a runbook; a bare `duebook run cancel` is a name."""
    spans = (found[1] for found in re.finditer(r"`([^`]+)`", path.read_text(encoding="utf-8")))
    return (span for span in spans if span.startswith(PROGRAMS))


class Operator:
    """Types what runbooks say. Before each command a new job has the trouble that the command is to mend."""

    def __init__(self, platform: Platform, postgres_url: str, archives: Path) -> None:
        self._platform, self._postgres_url = platform, postgres_url
        own = {"DUEBOOK_URL": platform["api", 0].url, "DUEBOOK_ARCHIVE_URL": str(archives), "DUEBOOK_RETENTION": "P90D"}
        self.duebook = Program({**platform.environment, **own})

    async def type(self, command: str) -> None:
        match command.split(maxsplit=1)[0]:
            case "duebook":
                self._call(shlex.split(command)[1:])
            case "curl" | "redis-cli":
                self._run(command)
            case "GET":
                self._platform.get(command.removeprefix("GET "))
            case "SELECT":
                db = await asyncpg.connect(self._postgres_url)
                await db.fetch(command)
                await db.close()
            case other:
                assert other in ELSEWHERE, command

    def _call(self, words: list[str]) -> None:
        values = self._trouble(words)
        done = self.duebook(*(values.get(word, word) for word in words))
        assert done.exit_code == 0, f"{words}\n{done.stdout}\n{done.stderr}"

    def _trouble(self, words: list[str]) -> dict[str, str]:
        """What stands for the names in a command: a dead letter, or a run that waits where it is to be cancelled."""
        dead = words[:2] != ["run", "cancel"]
        body = {"task": "http.request", "payload": {"url": "http://127.0.0.1:1"}, "max_retries": 0, "queue": "default"}
        name = uuid4().hex
        job = self._platform.create(name=name, scheduled_at=FUTURE, **(body if dead else {"queue": "served-by-none"}))
        run = self.duebook.data("job", "trigger", job["id"])["id"]
        if dead:
            eventually(partial(self._is_dead, run))
        if words[:2] == ["job", "resume"]:
            self.duebook.data("job", "pause", job["id"])
        fingerprint = self._platform.get(f"/api/dead-letter/{run}")["fingerprint"] if dead else ""
        return {"JOB": name, "RUN": run, "FINGERPRINT": fingerprint, "QUEUE": "served-by-none", "…": "a reason"}

    def _is_dead(self, run_id: str) -> bool:
        return bool(self._platform.get(f"/api/run/{run_id}")["status"] == "dead_lettered")

    def _run(self, command: str) -> None:
        """A command of the shell, with the addresses of these services."""
        program = command.split(maxsplit=1)[0]
        if shutil.which(program) is None:
            return
        for (kind, _), service in self._platform.services.items():
            command = re.sub(rf"\b{kind}:\d+", service.url.removeprefix("http://"), command)
        environment = {**os.environ, **self._platform.environment}
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert done.stdout, command


async def test_every_command_of_a_runbook_can_be_done(platform: Platform, postgres_url: str, tmp_path: Path) -> None:
    platform.start_all()
    operator = Operator(platform, postgres_url, tmp_path)
    done = [command for path in RUNBOOKS for command in commands(path)]
    assert len(done) > len(RUNBOOKS)
    for command in dict.fromkeys(done):
        await operator.type(command)
