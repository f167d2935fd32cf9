"""The OpenAPI document and the server agree: Schemathesis asks thousands of questions that the document suggests."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from duebook_devstack.ports import free_port
from support.api_process import api_process, wait_until_ready

KEY = "schemathesis"
CASES_OF_AN_OPERATION = 100


@pytest.mark.xdist_group("schemathesis")
async def test_every_answer_is_as_the_openapi_document_says(postgres_url: str, tmp_path: Path) -> None:
    port = free_port()
    async with api_process(postgres_url, port, DUEBOOK_AUTH="required", DUEBOOK_API_KEY=KEY) as (_, http):
        await wait_until_ready(http)
        status, report = await schemathesis(f"http://127.0.0.1:{port}/api/openapi.json", tmp_path)
    assert status == 0, report[-20_000:]
    [cases] = re.findall(r"(\d+) generated", report)
    assert int(cases) > 3_000


async def schemathesis(url: str, directory: Path) -> tuple[int | None, str]:
    """The exit status of the program and its report."""
    options = (
        ("--header", f"Authorization: Bearer {KEY}"),
        ("--checks", "all"),
        ("--phases", "coverage"),  # the random phases lean on a method that jsonschema-rs 0.61 does not have
        ("--request-timeout", "60"),
        ("--exclude-path", "/api/events/stream"),  # an answer to right parameters does not end
        ("--exclude-checks", "positive_data_acceptance"),  # it cannot know all rules, such as those of cron
        ("--max-examples", str(CASES_OF_AN_OPERATION)),
        ("--generation-deterministic", "--no-shrink"),
        ("--continue-on-failure", "--no-color", "--warnings", "off"),
    )
    arguments = [argument for option in options for argument in option]
    command = (sys.executable, "-m", "schemathesis.cli", "run", url, *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT, cwd=directory)
    output, _ = await process.communicate()
    return process.returncode, output.decode()
