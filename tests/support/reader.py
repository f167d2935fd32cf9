"""A reader of the documents: types what they say, in their order, and copies ids where they say so."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.documents import Block
from support.fleet import Platform, eventually

_AT_REST = {"succeeded", "dead_lettered", "cancelled", "skipped", "discarded"}


class Reader:
    """One document's reader: a terminal in a directory with a `.venv`, and services to talk to."""

    def __init__(self, platform: Platform, directory: Path, environment: Mapping[str, str]) -> None:
        self._platform, self._directory = platform, directory
        self._address = platform["api", 0].url.removeprefix("http://")
        programs = str(Path(sys.executable).parent)
        self._environment = {
            **os.environ,
            **platform.environment,
            **environment,
            "DUEBOOK_URL": platform["api", 0].url,
            "PATH": os.pathsep.join([programs, os.environ["PATH"]]),
        }
        self._ids: dict[str, str] = {}
        self._printed = ""
        (directory / ".venv").symlink_to(Path(sys.prefix))

    def read(self, block: Block) -> None:
        """Do what the block says; raises AssertionError where it is not as the document says."""
        match block.language, block.mark:
            case "sh", "placeholder":
                self._copy_ids(block)
            case "sh", "" | "fails":
                self._type(block)
            case "json", "answer":
                self._compare(block)
            case "python", "" if block.module is None:
                self._run([sys.executable, "-c", self._addressed(block)], block)
            case "python", "" if block.module is not None:
                (self._directory / block.module).write_text(block.text, encoding="utf-8")

    def _addressed(self, block: Block) -> str:
        text = block.text
        for usual in ("localhost:8000", "127.0.0.1:8000"):
            text = text.replace(usual, self._address)
        return text

    def _type(self, block: Block) -> None:
        if "$RUN_ID" in block.text:  # a reader looks before acting: a run that is under way is let end
            self._await_rest(self._ids["RUN_ID"])
        self._run(["bash", "-c", f"set -eo pipefail\n{self._addressed(block)}"], block)

    def _run(self, command: list[str], block: Block) -> None:
        where: dict[str, Any] = {"cwd": self._directory, "env": self._environment, "timeout": 120}
        done = subprocess.run(command, capture_output=True, text=True, check=False, **where)
        report = f"{block.where} ended with {done.returncode}\n{block.text}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) == (block.mark == "fails"), report
        self._printed = done.stdout

    def _copy_ids(self, block: Block) -> None:
        """Set the ids that the document asks for, to those of what is newest."""
        find = {"JOB_ID": self._newest_job, "RUN_ID": self._newest_run, "KEY_ID": self._newest_key}
        find["BULK_ID"] = lambda: str(self._platform.get("/api/bulk?limit=1")["items"][0]["id"])
        wanted = [name for name in find if f"{name}=" in block.text]
        assert wanted, block.where
        self._ids |= {name: find[name]() for name in wanted}
        self._environment |= self._ids

    def _newest_job(self) -> str:
        return str(self._platform.get("/api/job?limit=1")["items"][0]["id"])

    def _newest_run(self) -> str:
        runs = eventually(lambda: self._platform.runs(self._newest_job()) or None)
        return str(self._await_rest(runs[0]["id"])["id"])

    def _await_rest(self, run_id: str) -> dict[str, Any]:
        def at_rest() -> dict[str, Any] | None:
            run: dict[str, Any] = self._platform.get(f"/api/run/{run_id}")
            return run if run["status"] in _AT_REST else None

        return eventually(at_rest, 60)

    def _newest_key(self) -> str:
        command = [str(Path(sys.executable).with_name("duebook")), "key", "list", "-o", "json"]
        done = subprocess.run(command, env=self._environment, capture_output=True, check=True)
        return str(json.loads(done.stdout)[-1]["key_id"])

    def _compare(self, block: Block) -> None:
        """The answer has all that the document shows, each of the same kind."""
        answer = json.loads(self._printed.strip().splitlines()[-1])
        must_have_shape(answer, json.loads(block.text), block.where)


def must_have_shape(answer: Any, shown: Any, where: str) -> None:
    if isinstance(shown, dict):
        assert isinstance(answer, dict), where
        assert shown.keys() <= answer.keys(), f"{where}: {shown.keys() - answer.keys()} is not in the answer"
        for name, value in shown.items():
            must_have_shape(answer[name], value, f"{where} {name}")
    elif isinstance(shown, list) and shown:
        assert isinstance(answer, list), where
        assert answer, where
        must_have_shape(answer[0], shown[0], where)
    elif shown is not None and answer is not None:
        assert type(answer) is type(shown), where
