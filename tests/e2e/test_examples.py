"""Every example, run by the commands of its page on one platform."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from duebook_devstack.ports import free_port
from duebook_devstack.redis import Redis
from support import servers
from support.documents import ROOT, blocks
from support.fleet import Platform
from support.load import launch
from support.reader import Reader

EXAMPLES = sorted(page.parent.name for page in (ROOT / "examples").glob("*/README.md"))
SECRET = "whsec_bm90LWEtc2VjcmV0LWp1c3QtYW4tZXhhbXBsZQ=="


@pytest.fixture(scope="module")
def platform(_postgres: servers.ServerInfo, _redis: Redis) -> Iterator[Platform]:
    with servers.database(_postgres) as database, servers.vhost(f"test-{uuid4().hex}") as broker:
        environment = {
            "DUEBOOK_POSTGRES_URL": database,
            "DUEBOOK_RABBITMQ_URL": broker,
            "DUEBOOK_REDIS_URL": _redis.url,
            "DUEBOOK_TASKS": "examples.nightly_report.report,examples.rated_import.catalogue,examples.fan_out.orders",
            "DUEBOOK_WEBHOOK_SECRETS": SECRET,
            "DUEBOOK_HTTP_ALLOW": "127.0.0.1",
            "SALES_DB": str(servers.private_path() / "sales.db"),
            "PYTHONPATH": str(ROOT),
        }
        with Platform(environment) as platform:
            launch(platform, api=1, scheduler=1, executor=1)
            yield platform


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_does_what_its_page_says(example: str, platform: Platform) -> None:
    directory = servers.private_path()
    (directory / "examples").symlink_to(ROOT / "examples")
    reader = Reader(platform, directory, {"RECEIVER_PORT": str(free_port())})
    for block in blocks(ROOT / "examples" / example / "README.md"):
        reader.read(block)
    CHECKS.get(example, lambda _platform: None)(platform)


def nightly_report_is_written(platform: Platform) -> None:
    assert platform.await_run("key:nightly-report", "succeeded")["result"]["cents"] == 0


def the_workflow_shows_the_plan_and_applies_it(platform: Platform) -> None:
    """Its steps, as GitHub runs them, after a change."""
    directory, example = servers.private_path(), ROOT / "examples/jobs_in_git"
    [file] = Path(shutil.copytree(example / "schedule", directory / "schedule")).iterdir()
    file.write_text(file.read_text(encoding="utf-8").replace("PT6H", "PT12H"), encoding="utf-8")
    jobs = yaml.safe_load((example / "workflow.yml").read_text(encoding="utf-8"))["jobs"]
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    own = {"PATH": programs, "DUEBOOK_URL": platform["api", 0].url, "GITHUB_STEP_SUMMARY": str(directory / "summary")}
    for name in ("plan", "apply"):
        command = ["bash", "-e", "-o", "pipefail", "-c", jobs[name]["steps"][-1]["run"]]
        subprocess.run(command, cwd=directory, env=os.environ | platform.environment | own, check=True)
    assert "PT12H" in (directory / "summary").read_text(encoding="utf-8")
    assert platform.get("/api/job/key:cleanup")["recurrence"] == {"every": "PT12H"}


CHECKS = {
    "nightly_report": nightly_report_is_written,
    "jobs_in_git": the_workflow_shows_the_plan_and_applies_it,
}
